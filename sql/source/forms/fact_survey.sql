-- Counts the rows of a fact by UTC day, as fact_counts does, and names the places of those whose version is at or
-- after the watermark, in one pass.
-- grain: one row per UTC day of unchanged rows, and one per day and place of changed ones
-- `offset '0'` hides the expressions from the planner, which would otherwise expect a group per time, and sort. It
-- is a text, because PostgreSQL takes the number for a limit, below which nothing is aggregated by parallel workers.
select
    found.day,
    found.place::text as place,
    count(*) as row_count
from (
    select
        date_bin('1 day', clamped_time, '0001-01-01 00:00:00+00') as day,
        case when is_changed then place end as place
    from mapped
    offset '0'
) as found
group by found.day, found.place
