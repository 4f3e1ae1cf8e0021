-- Counts the staged rows of each UTC day; a null day holds the rows without a time.
-- grain: one row per day
select
    cast(event_time as date) as event_day,
    count(*) as row_count
from staging.fact
group by event_day
order by event_day;
