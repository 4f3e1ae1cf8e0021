-- How many staged messages each UTC day has; a null day is a row without a time.
-- grain: one row per day
select
    cast(created_at as date) as event_day,
    count(*) as row_count
from staging.messages
group by event_day
order by event_day;
