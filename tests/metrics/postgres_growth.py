"""Who comes, who stays, who comes back, as PostgreSQL queries; they continue the `with` of `SEEN`.

The period of `SEEN` is everything before `until`; that of the question begins at `from`.
"""

from __future__ import annotations

# `act`: who was active when; `day_act`: on which local days. `covered`: since when there are data.
# `asked`: the buckets that the period meets, by local dates.
ACTIVE = """, act as (
    select sender_id as id, created_at as t, true as wrote from w
    union all select user_id, read_at, false from r
),
day_act as (
    select id, (t at time zone %(tz)s)::date as d, bool_or(wrote) as wrote from act group by 1, 2
),
seen_by_viewer as (
    select created_at as t from messages
    where conversation_id in (select id from room) and deleted_at is null
        and message_type <> 'system' and sender_id is not null
    union all
    select read_at from message_read_receipts x join messages y on y.id = x.message_id
    where y.conversation_id in (select id from room)
),
covered as (
    select date_trunc('day', min(t) at time zone 'UTC') at time zone 'UTC' as t from (
        select t from seen_by_viewer where %(visible_to)s is not null and t < %(until)s
        union all (
            select min(t) from (
                select created_at as t from messages
                union all select read_at from message_read_receipts
                union all select created_at from analytics_events
                union all select created_at from message_reactions
            ) everything where %(visible_to)s::bigint is null
        )
    ) since_when
),
unit as (
    select case %(every)s when 'daily' then 'day' when 'weekly' then 'week' else 'month'
            end as name,
        case %(every)s when 'daily' then interval '1 day' when 'weekly' then interval '1 week'
            else interval '1 month' end as step
),
asked_bucket as (
    select s::date as first_day, (s + step)::date as next_day,
        (s + step) at time zone %(tz)s > %(until)s as is_partial
    from unit, generate_series(
        date_trunc(name, %(from)s::timestamptz at time zone %(tz)s),
        %(until)s::timestamptz at time zone %(tz)s, step
    ) s
    where s at time zone %(tz)s < %(until)s and %(from)s::timestamptz < %(until)s
)"""
QUERIES: dict[str, str] = {
    "active_timeline": f"""{ACTIVE},
        ending as (
            select asked_bucket.*, least(
                next_day - 1,
                ((%(until)s::timestamptz - interval '1 microsecond') at time zone %(tz)s)::date
            ) as last_day
            from asked_bucket
        ),
        counted as (
            select first_day, last_day, is_partial,
                count(distinct id) filter (where d >= first_day) as active,
                count(distinct id) filter (where d >= first_day and wrote) as writers,
                count(distinct id) filter (where d = last_day) as last_day_active,
                count(distinct id) filter (where d > last_day - 7) as week,
                count(distinct id) filter (where d > last_day - 30) as month
            from ending left join day_act
                on d between least(first_day, last_day - 29) and last_day
            group by 1, 2, 3
        ),
        known as (
            select *, (last_day - 6)::timestamp at time zone %(tz)s >= covered.t as has_week,
                (last_day - 29)::timestamp at time zone %(tz)s >= covered.t as has_month
            from counted, covered
        )
        select first_day::timestamp at time zone %(tz)s as timestamp, active as active_people,
            writers, active - writers as readers_only,
            case when has_week then week end as active_7_days,
            case when has_month then month end as active_30_days,
            case when has_month and not is_partial
                then round(coalesce(100.0 * last_day_active / nullif(month, 0), 0), 2)
                end as stickiness,
            is_partial
        from known order by 1""",
    "lifecycle": f"""{ACTIVE},
        first_act as (select id, min(d) as d from day_act group by 1),
        bucket as (
            select * from asked_bucket
            union all
            select ((select min(first_day) from asked_bucket) - step)::date,
                (select min(first_day) from asked_bucket), null
            from unit
        ),
        member as (
            select distinct first_day, next_day, is_partial, id
            from bucket join day_act on d >= first_day and d < next_day
        )
        select a.first_day::timestamp at time zone %(tz)s as timestamp, active as active_people,
            case when known then fresh end as new_people,
            case when known then stayed end as stayed_people,
            case when known then active - fresh - stayed end as returned_people,
            case when known and not a.is_partial then earlier - stayed end as left_people,
            a.is_partial
        from asked_bucket a, lateral (
            select (select count(*) from member where first_day = a.first_day) as active,
                (select count(*) from first_act where d >= a.first_day and d < a.next_day) as fresh,
                (select count(*) from member where next_day = a.first_day) as earlier,
                (
                    select count(*) from member x join member y using (id)
                    where x.next_day = a.first_day and y.first_day = a.first_day
                ) as stayed,
                a.first_day::timestamp at time zone %(tz)s > (select t from covered) as known
        ) n order by 1""",
    "retention": f"""{ACTIVE},
        numbered as (select *, row_number() over (order by first_day) as n from asked_bucket),
        first_act as (select id, min(d) as d from day_act group by 1),
        cohort as (
            select n, first_day, array_agg(id) as ids, count(*) as size
            from numbered join first_act on d >= first_day and d < next_day
            where first_day::timestamp at time zone %(tz)s > (select t from covered)
            group by 1, 2
        ),
        member as (
            select distinct n, id from numbered join day_act on d >= first_day and d < next_day
        ),
        returned as (
            select newcomer.n as cohort_n, member.n, count(*) as people
            from (select n, unnest(ids) as id from cohort) newcomer
            join member on member.id = newcomer.id
            group by 1, 2
        ),
        box as (
            select c.first_day, c.size, b.n - c.n as k, b.is_partial,
                coalesce(people, 0) as people,
                %(visible_to)s::bigint is not null and c.size < 5 as is_small
            from cohort c join numbered b on b.n >= c.n
            left join returned r on r.cohort_n = c.n and r.n = b.n
        ),
        shown as (
            select 1 as place, first_day, size, k, people, is_partial from box where not is_small
            union all
            select 2, null, sum(size), k, sum(people), false from box
            where is_small and not is_partial group by k having sum(size) >= 5
        ),
        averaged as (
            select * from shown
            union all
            select 3, null, sum(size), k, sum(people), false from shown
            where not is_partial group by k
        )
        select (array['cohort', 'others', 'average'])[place] as row_type,
            first_day::timestamp at time zone %(tz)s as cohort, size::bigint as cohort_size,
            k as bucket_number, people::bigint as people,
            round(100.0 * people / size, 2) as retention_rate, is_partial
        from averaged order by place, cohort, k""",
    "activation": f"""{ACTIVE},
        fresh as (
            select id, created_at as c, %(until)s::timestamptz - created_at as age from users
            where created_at >= %(from)s and created_at < %(until)s and not is_bot
                and (%(visible_to)s::bigint is null or id in (select id from person))
        ),
        human as (
            select w.* from w where sender_id not in (select id from users where is_bot)
        ),
        done as (
            select age,
                exists(
                    select from act where act.id = fresh.id and wrote
                        and t >= c and t < c + interval '24 hours'
                ) as wrote_1,
                exists(
                    select from act where act.id = fresh.id and wrote
                        and t >= c and t < c + interval '168 hours'
                ) as wrote_7,
                exists(
                    select from act where act.id = fresh.id
                        and t >= c + interval '168 hours' and t < c + interval '336 hours'
                ) as again,
                exists(
                    select from human q join human a using (conversation_id)
                    where q.sender_id = fresh.id and a.sender_id <> fresh.id
                        and q.created_at >= c and q.created_at < c + interval '168 hours'
                        and a.created_at > q.created_at
                        and a.created_at < q.created_at + interval '24 hours'
                ) as is_answered
            from fresh
        ),
        summed as (
            select count(*) as n,
                count(*) filter (where age >= interval '24 hours') as n1,
                count(*) filter (where age >= interval '24 hours' and wrote_1) as y1,
                count(*) filter (where age >= interval '168 hours') as n7,
                count(*) filter (where age >= interval '168 hours' and wrote_7) as y7,
                count(*) filter (where age >= interval '192 hours') as n8,
                count(*) filter (where age >= interval '192 hours' and is_answered) as y8,
                count(*) filter (where age >= interval '336 hours') as n14,
                count(*) filter (where age >= interval '336 hours' and again) as y14
            from done
        )
        select n as accounts,
            n1 as judged_after_24_hours, y1 as wrote_in_24_hours,
            round(coalesce(100.0 * y1 / nullif(n1, 0), 0), 2) as wrote_in_24_hours_rate,
            n7 as judged_after_7_days, y7 as wrote_in_7_days,
            round(coalesce(100.0 * y7 / nullif(n7, 0), 0), 2) as wrote_in_7_days_rate,
            n8 as judged_after_8_days, y8 as answered,
            round(coalesce(100.0 * y8 / nullif(n8, 0), 0), 2) as answered_rate,
            n14 as judged_after_14_days, y14 as came_back,
            round(coalesce(100.0 * y14 / nullif(n14, 0), 0), 2) as came_back_rate
        from summed""",
    # An instant and its local hour are one occurrence, also where the clock shows an hour twice.
    "people_heatmap": """, large as (
            select conversation_id as id from present join users on users.id = user_id
            where not is_bot and users.deleted_at is null group by 1 having count(*) >= 5
        ),
        act as (
            select sender_id as id, created_at as t, conversation_id from w
            where created_at >= %(from)s
            union all
            select r.user_id, r.read_at, y.conversation_id from r
                left join messages y on y.id = r.message_id
            where r.read_at >= %(from)s
                and (%(for_conversation)s::uuid is null or y.conversation_id = %(for_conversation)s)
        ),
        quarter as (
            select s as starts_at, s at time zone %(tz)s as shown
            from generate_series(
                date_bin(interval '15 minutes', %(from)s::timestamptz, 'epoch'::timestamptz),
                %(until)s::timestamptz - interval '1 microsecond', interval '15 minutes'
            ) s where %(from)s::timestamptz < %(until)s
        ),
        hour_of as (
            select starts_at, isodow, hour,
                (date_trunc('hour', shown), shown - (starts_at at time zone 'UTC'))::text as o
            from quarter, lateral (
                select extract(isodow from shown)::bigint as isodow,
                    extract(hour from shown)::bigint as hour
            ) parts
        ),
        met as (select isodow, hour, count(distinct o) as n from hour_of group by 1, 2),
        there as (
            select isodow, hour, count(distinct (o, act.id)) as n
            from act join hour_of
                on starts_at = date_bin(interval '15 minutes', act.t, 'epoch'::timestamptz)
            where %(visible_to)s::bigint is null or conversation_id in (select id from large)
            group by 1, 2
        )
        select d::bigint as weekday, h::bigint as hour, coalesce(there.n, 0) as people,
            coalesce(met.n, 0) as occurrences,
            round(coalesce(there.n::numeric / nullif(met.n, 0), 0), 2) as per_occurrence
        from generate_series(1, 7) d cross join generate_series(0, 23) h
            left join met on met.isodow = d and met.hour = h
            left join there on there.isodow = d and there.hour = h
        order by 1, 2""",
}
