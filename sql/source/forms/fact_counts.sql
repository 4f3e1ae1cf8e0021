-- Counts the rows of a fact by UTC day. A hard delete leaves no trace to follow, but the counts differ.
-- grain: one row per UTC day that has any; null for rows without a time
select
    date_bin('1 day', event_time, '0001-01-01 00:00:00+00') as day,
    count(*) as row_count
from (select clamped_time as event_time from mapped) as clamped
group by day
