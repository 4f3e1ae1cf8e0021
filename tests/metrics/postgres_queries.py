"""The metrics as PostgreSQL queries over the messenger's own tables, written from the requirement.

A query takes `since`, `until` (not null), a viewer, and the parameters of its metric; null = all.
"""

from __future__ import annotations

from tests.metrics import postgres_growth, postgres_replies, postgres_volume

# What a viewer sees. `viewer`: nobody if they are deleted. `present`, `room`: membership at
# data_through; `m`: messages that count; `w`: messages that a person wrote; `r`: receipts;
# `k`: reactions; `e`: events.
SEEN = """
with now as (select %(data_through)s::timestamptz as t),
present as (
    select p.* from conversation_participants p, now
    where p.joined_at < t and (p.left_at is null or p.left_at >= t)
),
viewer as (select id from users where id = %(visible_to)s and deleted_at is null),
room as (
    select distinct conversation_id as id from present where user_id in (select id from viewer)
),
person as (
    select user_id as id from present where conversation_id in (select id from room)
    union select id from viewer
),
bot as (select id from users where is_bot and not %(include_bots)s),
m as (
    select * from messages
    where created_at >= %(since)s and created_at < %(until)s and deleted_at is null
        and (%(visible_to)s::bigint is null or conversation_id in (select id from room))
        and (%(for_conversation)s::uuid is null or conversation_id = %(for_conversation)s)
        and (
            %(for_type)s::text is null
            or conversation_id in (select id from conversations where type = %(for_type)s)
        )
        and (
            %(for_user)s::bigint is null
            or (
                sender_id = %(for_user)s
                and (%(visible_to)s::bigint is null or sender_id in (select id from person))
            )
        )
        and not exists (select from bot where bot.id = sender_id)
),
w as (select * from m where message_type <> 'system' and sender_id is not null),
r as (
    select x.* from message_read_receipts x left join messages y on y.id = x.message_id
    where read_at >= %(since)s and read_at < %(until)s
        and (%(visible_to)s::bigint is null or y.conversation_id in (select id from room))
        and not exists (select from bot where bot.id = user_id)
),
k as (
    select x.* from message_reactions x left join messages y on y.id = x.message_id
    where x.created_at >= %(since)s and x.created_at < %(until)s
        and (%(visible_to)s::bigint is null or y.conversation_id in (select id from room))
        and (%(for_conversation)s::uuid is null or y.conversation_id = %(for_conversation)s)
        and (
            %(for_user)s::bigint is null
            or (
                x.user_id = %(for_user)s
                and (%(visible_to)s::bigint is null or x.user_id in (select id from person))
            )
        )
        and not exists (select from bot where bot.id = x.user_id)
),
e as (
    select * from analytics_events
    where created_at >= %(since)s and created_at < %(until)s
        and (
            %(visible_to)s::bigint is null
            or conversation_id in (select id from room)
            or (conversation_id is null and user_id in (select id from viewer))
        )
        and not exists (select from bot where bot.id = user_id)
),
asked as (select extract(epoch from %(until)s::timestamptz - %(since)s)::numeric / 86400 as days),
-- PostgreSQL's own calendar and its own copy of the time zones
slot as (
    select
        unit,
        s at time zone %(tz)s as starts_at,
        (s + step) at time zone %(tz)s as ends_at
    from
        (
            select case %(every)s when 'hourly' then interval '1 hour' when 'daily'
                then interval '1 day' when 'weekly' then interval '1 week' else interval '1 month'
                end as step, case %(every)s when 'hourly' then 'hour' when 'daily' then 'day'
                when 'weekly' then 'week' else 'month' end as unit
        ) u,
        generate_series(
            date_trunc(unit, %(since)s::timestamptz at time zone %(tz)s),
            %(until)s::timestamptz at time zone %(tz)s,
            step
        ) s
    where (s at time zone %(tz)s) < %(until)s and %(since)s::timestamptz < %(until)s
)
"""

QUERIES: dict[str, str] = {
    "message_stats": """
        select count(*) as total_messages,
            count(*) filter (where message_type = 'text') as text_messages,
            count(*) filter (where message_type = 'image') as image_messages,
            count(*) filter (where message_type = 'file') as file_messages,
            count(*) filter (where message_type = 'system') as system_messages,
            count(*) filter (where message_type not in ('text', 'image', 'file', 'system'))
                as other_messages,
            (select count(distinct sender_id) from w) as unique_senders,
            round(coalesce(avg(char_length(content)), 0), 1) as avg_message_length,
            (
                select jsonb_object_agg(
                    t, (
                        select round(coalesce(100.0 * sum((
                            case when message_type in ('text', 'image', 'file', 'system')
                                then message_type else 'other' end = t
                        )::int) / nullif(count(*), 0), 0), 2) from m
                    )::text)
                from unnest(array['text', 'image', 'file', 'system', 'other']) t
            ) as message_type_distribution
        from m""",
    "top_senders": """
        select sender_id as user_id, max(u.username) as username, count(*) as message_count
        from w left join users u on u.id = sender_id and u.deleted_at is null
        where %(visible_to)s::bigint is null
            or sender_id in (
                select user_id from present
                where conversation_id in (select id from room)
                    and (
                        %(for_conversation)s::uuid is null
                        or conversation_id = %(for_conversation)s
                    )
            )
            or (sender_id in (select id from viewer) and %(for_conversation)s::uuid is null)
        group by 1 order by 3 desc, 1 limit %(top_n)s""",
    "user_activity_v1": """
        select id as user_id,
            (select count(*) from w where created_at >= %(from)s) as messages_sent,
            (select count(*) from r where user_id = id and read_at >= %(from)s) as messages_read,
            (select count(distinct conversation_id) from w where created_at >= %(from)s)
                as active_conversations,
            (select round(count(*) / nullif(extract(epoch from %(until)s::timestamptz - %(from)s)
                ::numeric / 86400, 0), 2) from w where created_at >= %(from)s)
                as avg_messages_per_day,
            (select min(created_at) from w) as first_message_date,
            greatest(
                (select max(created_at) from w), (select max(read_at) from r where user_id = id)
            ) as last_activity_date
        from users where id = %(for_user)s and created_at < %(until)s
            and (%(visible_to)s::bigint is null or id in (select id from person))""",
    "active_users": """
        select (select count(distinct sender_id) from w) as active_users,
            (select count(distinct user_id) from r) as active_readers,
            (select count(*) from (select sender_id from w union select user_id from r) b)
                as active_any""",
    "engagement": """
        select count(*) as total_users, count(*) filter (where n >= 1) as active_users,
            count(*) filter (where n >= %(engaged_from)s) as engaged_users,
            round(coalesce(100.0 * count(*) filter (where n >= 1) / nullif(count(*), 0), 0), 2)
                as engagement_rate,
            round(coalesce(100.0 * count(*) filter (where n >= %(engaged_from)s)
                / nullif(count(*), 0), 0), 2) as deep_engagement_rate
        from (
            select u.id, (select count(*) from w where sender_id = u.id) as n from users u
            where created_at < %(until)s and (deleted_at is null or deleted_at >= %(until)s)
                and (%(visible_to)s::bigint is null or u.id in (select id from person))
                and u.id not in (select id from bot)
        ) counted""",
    "conversation_stats": """
        select c.id as conversation_id, type, title, c.created_at,
            (select count(*) from members) as participant_count,
            (select count(*) from members where user_id in (select sender_id from w))
                as active_participants,
            (select count(*) from m) as message_count,
            round((select count(*) from m) / age.days, 2) as messages_per_day,
            age.days::bigint as conversation_age_days,
            (select min(created_at) from m) as first_message_date,
            (select max(created_at) from m) as last_message_date
        from conversations c,
            lateral (select greatest(1, ceil(extract(
                epoch from %(until)s::timestamptz - c.created_at)::numeric / 86400)) as days) age
        where c.id = %(for_conversation)s and c.created_at < %(until)s
            and (%(visible_to)s::bigint is null or c.id in (select id from room))""",
    "top_conversations": """
        select conversation_id, type, title, message_count, participant_count,
            round(message_count / nullif(days, 0), 2) as messages_per_day
        from (
            select conversation_id, count(*) as message_count,
                count(distinct case when message_type <> 'system' then sender_id end)
                    as participant_count
            from m group by 1
        ) g left join conversations c on c.id = conversation_id, asked
        order by case %(sort_by)s when 'participants' then participant_count when 'activity'
                then coalesce(message_count::numeric / nullif(participant_count, 0), 0)
                else message_count end desc,
            message_count desc, participant_count desc, conversation_id
        limit %(top_n)s""",
    "top_reactions": """
        select emoji, count(*) as reaction_count, count(distinct user_id) as people_count
        from k group by 1 order by 2 desc, 3 desc, emoji collate "C" limit %(top_n)s""",
    "event_counts": """
        select event_type, count(*) as count from e group by 1
        order by 2 desc, event_type collate "C" """,
    "event_timeline": """
        select starts_at as timestamp, event_type, coalesce(n, 0) as count,
            starts_at < %(since)s or ends_at > %(until)s as is_partial
        from slot cross join (select distinct event_type from e) kind left join (
            select
                date_trunc((select max(unit) from slot), created_at at time zone %(tz)s)
                    at time zone %(tz)s as starts_at,
                event_type,
                count(*) as n
            from e group by 1, 2
        ) counted using (starts_at, event_type)
        order by starts_at, event_type collate "C" """,
    **postgres_volume.QUERIES,
    **postgres_replies.QUERIES,
    **postgres_growth.QUERIES,
}
MEMBERS = """, members as (
    select user_id from conversation_participants
    where conversation_id = %(for_conversation)s and joined_at < %(until)s
        and (left_at is null or left_at >= %(until)s)
        and user_id not in (select id from bot)
)"""
