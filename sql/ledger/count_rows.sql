-- How many rows the warehouse's fact tables have, all together.
-- grain: one row
select
    (select count(*) from core.messages)
    + (select count(*) from core.read_receipts)
    + (select count(*) from core.events) as row_count;
