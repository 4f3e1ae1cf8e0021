-- Adds the rows that are gone at the source as a feed told to those that the days that were read whole lack.
-- grain: one row: how many are gone, and how many of these the feed told
create or replace table staging.told_fact as
select fact_id
from staging.removed_fact
anti join staging.fact using (fact_id);

insert into staging.gone_fact
select fact_id
from staging.told_fact
anti join staging.gone_fact using (fact_id);

select
    (select count(*) from staging.gone_fact) as gone_rows,
    (select count(*) from staging.told_fact) as told_rows;
