-- Lists the keys to look for in the day files: those that changed and are not staged, which are gone at the
-- source, and those of staged rows that are not new, with their UTC day, which may have been another.
-- grain: one row per UTC day with such staged rows
create or replace table staging.sought_fact as
select
    fact_id,
    cast(null as date) as staged_day
from (
    select distinct fact_id
    from staging.gone_keys_of_fact
) as changed
anti join staging.fact using (fact_id)
union all by name
select
    fact_id,
    cast(staged.event_time as date) as staged_day
from staging.fact as staged
anti join staging.inserted_keys_of_fact using (fact_id);

select distinct staged_day as event_day
from staging.sought_fact
where staged_day is not null;
