-- metrics.daily_active_users: How many people wrote, read, or did either on each UTC day.
-- grain: one row per UTC day since the first one with data, without a gap, oldest first; ten years at most
-- The numbers of a day are those of metrics.active_users_v1. A whole day is counted in core.user_days, so that
-- a condition on day reads these days only.
create or replace view metrics.daily_active_users as
with days as (
    select
        unnest(generate_series(
            core.data_from(), core.data_through() - interval 1 microsecond, interval 1 day
        )) as began_at
),

active as (
    select
        user_days.day,
        count(*) filter (where user_days.sent_count > 0) as active_users,
        count(*) filter (where user_days.read_count > 0) as active_readers,
        count(*) as active_any
    from core.user_days as user_days
    where user_days.day < cast(core.data_through() as date)
    group by user_days.day
    union all
    select
        cast(core.data_through() as date) as day,
        today.active_users,
        today.active_readers,
        today.active_any
    from metrics.active_users_v1(since := cast(core.data_through() as date)) as today
)

select
    cast(days.began_at as date) as day, -- UTC day
    coalesce(active.active_users, 0) as active_users, -- people who wrote
    case
        when core.is_available('read_receipts') then coalesce(active.active_readers, 0)
    end as active_readers, -- people who read; null = the source does not tell
    case
        when core.is_available('read_receipts') then coalesce(active.active_any, 0)
    end as active_any, -- people who did either; null = the source does not tell
    days.began_at + interval 1 day > core.data_through() as is_partial, -- whether the data do not reach its end
    core.with_zone(days.began_at) as day_at_tz -- its first instant, with its zone
from days
left join active on cast(days.began_at as date) = active.day
order by day;
