-- How many staged read_receipts each UTC day has; a null day is a row without a time.
-- grain: one row per day
select
    cast(read_at as date) as event_day,
    count(*) as row_count
from staging.read_receipts
group by event_day
order by event_day;
