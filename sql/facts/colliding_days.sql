-- Finds the UTC days that share a key: a staged row is on one, and a row of the day files $files on the other.
-- grain: one row per UTC day
with colliding as (
    select distinct
        cast(filed.event_time as date) as filed_day,
        cast(staged.event_time as date) as staged_day
    from read_parquet($files, hive_partitioning = false) as filed
    inner join staging.fact as staged using (fact_id)
    where cast(filed.event_time as date) <> cast(staged.event_time as date)
)

select filed_day as event_day
from colliding
union
select staged_day as event_day
from colliding
order by event_day;
