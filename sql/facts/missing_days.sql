-- Proves the UTC days $days that have no day file: a staged row that is not new is missing here.
-- grain: one row per UTC day that differs
select
    cast(event_time as date) as event_day,
    0 as extra_rows,
    count(*) as missing_rows
from staging.fact
where not is_new and cast(event_time as date) in (select unnest(cast($days as date[])))
group by event_day
order by event_day;
