-- metrics.weekly_engagement: How many people there were at the end of each week, and which share of them wrote.
-- grain: one row per week from Monday, UTC, without a gap, oldest first; the last 53
-- The numbers of a week are those of metrics.engagement_v1. A whole week is counted in core.user_days.
create or replace view metrics.weekly_engagement as
with weeks as (
    select
        opened.began_at,
        least(opened.began_at + interval 7 days, core.data_through()) as ended_at
    from (
        select
            unnest(generate_series(
                date_trunc('week', greatest(core.data_from(), core.data_through() - interval 52 weeks)),
                core.data_through() - interval 1 microsecond,
                interval 7 days
            )) as began_at
    ) as opened
),

people as (
    select
        weeks.began_at,
        count(users.user_key) as total_users
    from weeks
    left join core.dim_users as users
        on
            users.in_source
            and coalesce(weeks.ended_at > users.created_at, true)
            and coalesce(weeks.ended_at <= users.deleted_at, true)
    group by weeks.began_at
),

sent as (
    select
        date_trunc('week', user_days.day) as began_on,
        user_days.user_key,
        sum(user_days.sent_count) as message_count
    from core.user_days as user_days
    where
        user_days.sent_count > 0
        and user_days.day >= cast(core.data_through() - interval 53 weeks as date)
        and user_days.day < date_trunc('week', core.data_through())
    group by began_on, user_days.user_key
),

wrote as (
    select
        weeks.began_at,
        count(*) as active_users,
        count(*) filter (where sent.message_count >= 5) as engaged_users
    from sent
    inner join weeks on sent.began_on = weeks.began_at
    inner join core.dim_users as users on sent.user_key = users.user_key
    where
        users.in_source
        and coalesce(users.created_at < weeks.ended_at, true)
        and coalesce(users.deleted_at >= weeks.ended_at, true)
    group by weeks.began_at
    union all
    select
        date_trunc('week', core.data_through()) as began_at,
        this_week.active_users,
        this_week.engaged_users
    from metrics.engagement_v1(since := date_trunc('week', core.data_through())) as this_week
)

select
    cast(people.began_at as date) as week, -- its Monday, UTC
    people.total_users, -- people who existed at its end
    coalesce(wrote.active_users, 0) as active_users, -- of these, wrote at least one message
    coalesce(wrote.engaged_users, 0) as engaged_users, -- of these, wrote at least five
    core.percent_of(
        part := coalesce(wrote.active_users, 0), whole := people.total_users
    ) as engagement_rate, -- active_users in percent of total_users
    core.percent_of(
        part := coalesce(wrote.engaged_users, 0), whole := people.total_users
    ) as deep_engagement_rate, -- engaged_users in percent of total_users
    people.began_at + interval 7 days > core.data_through() as is_partial, -- whether the data do not reach its end
    core.with_zone(people.began_at) as week_at_tz -- its first instant, with its zone
from people
left join wrote on people.began_at = wrote.began_at
order by week;
