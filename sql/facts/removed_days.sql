-- Counts the rows that leave the day files: those that are on another day now, and those that are gone.
-- grain: one row per UTC day
select
    event_day,
    count(*) as row_count
from staging.removed_fact
group by event_day
order by event_day;
