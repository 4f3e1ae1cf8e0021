-- Takes the UTC days $days out of core.read_days, and selects their receipts to be counted again.
-- grain: one row per receipt
delete from core.read_days
where day in (select unnest(cast($days as date[])));

create or replace temporary table temp.counted_receipts as
select
    read_at,
    conversation_key,
    user_key,
    message_created_at
from core.fact_read_receipts
where
    cast(read_at as date) in (select unnest(cast($days as date[])))
    -- bounds by which DuckDB prunes the table
    and read_at >= list_min(cast($days as date[]))
    and read_at < list_max(cast($days as date[])) + interval 1 day;
