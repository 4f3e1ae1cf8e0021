"""How much is written and read, as PostgreSQL queries; `postgres_queries` says how they work."""

from __future__ import annotations


def _timeline(kept: str) -> str:
    """Messages per slot: those before its end without those before its start.

    A comparison of each message with each slot took minutes on real chats.
    """
    return f""",
        sent as (
            select coalesce(array_agg(created_at order by created_at), '{{}}') as times
            from m where {kept}
        )
        select starts_at as timestamp,
            (
                width_bucket(ends_at - interval '1 microsecond', times)
                - width_bucket(starts_at - interval '1 microsecond', times)
            )::bigint as count,
            starts_at < %(since)s or ends_at > %(until)s as is_partial
        from slot, sent order by 1"""


QUERIES: dict[str, str] = {
    "message_timeline_v1": _timeline("true"),
    "message_timeline": _timeline("""
        coalesce(%(include_system)s, %(for_user)s::bigint is null) or message_type <> 'system'
    """),
    # `kept`: what a viewer sees of conversations of five people or more, or everything.
    "message_heatmap": """,
        kept as (
            select * from m where (coalesce(%(include_system)s, true) or message_type <> 'system')
                and (%(visible_to)s::bigint is null or (
                    select count(*) from present p join users u on u.id = p.user_id
                    where p.conversation_id = m.conversation_id
                        and not u.is_bot and u.deleted_at is null
                ) >= 5)
        ),
        hours as (
            -- from one minute to the next the local hour or its offset changes: a new bucket begins
            select extract(isodow from l) as weekday, extract(hour from l) as hour, count(*) as n
            from (
                select distinct date_trunc('hour', t at time zone %(tz)s) as l,
                    (t at time zone %(tz)s) - (t at time zone 'UTC') as shift
                from (
                    select generate_series(
                        date_trunc('minute', %(since)s::timestamptz),
                        %(until)s::timestamptz - interval '1 microsecond', interval '15 minutes'
                    ) as t
                    union select %(until)s::timestamptz - interval '1 microsecond'
                ) instants
                where %(since)s::timestamptz < %(until)s
            ) buckets
            group by 1, 2
        )
        select weekday::bigint, hour::bigint, count(kept.id) as messages,
            coalesce(max(hours.n), 0) as occurrences,
            round(coalesce(count(kept.id)::numeric / nullif(max(hours.n), 0), 0), 2)
                as per_occurrence
        from generate_series(1, 7) weekday cross join generate_series(0, 23) hour
        left join hours using (weekday, hour)
        left join kept on extract(isodow from created_at at time zone %(tz)s) = weekday
            and extract(hour from created_at at time zone %(tz)s) = hour
        group by 1, 2 order by 1, 2""",
    "conversation_mix": """,
        told as (
            select c.type, m.created_at as at, 1 as message, 0 as read,
                case when message_type <> 'system' then sender_id end as person
            from m left join conversations c on c.id = m.conversation_id
            union all
            select c.type, r.read_at, 0, 1, r.user_id
            from r left join messages y on y.id = r.message_id
                left join conversations c on c.id = y.conversation_id
        )
        select starts_at as timestamp, kind.type as conversation_type,
            coalesce(counted.messages, 0) as messages, coalesce(counted.reads, 0) as reads,
            coalesce(counted.people, 0) as people,
            starts_at < %(since)s or ends_at > %(until)s as is_partial
        from slot cross join (select distinct type from told) kind
        left join (
            select
                date_trunc((select max(unit) from slot), at at time zone %(tz)s)
                    at time zone %(tz)s as counted_at,
                type, sum(message) as messages, sum(read) as reads,
                count(distinct person) as people
            from told group by 1, 2
        ) counted on counted_at = starts_at and counted.type is not distinct from kind.type
        order by 1, array_position(array['direct', 'group', 'channel'], kind.type), 2""",
    "concentration": """
        select coalesce(sum(n), 0)::bigint as messages, count(*) as writers,
            round(
                coalesce(100 * sum(n) filter (where place <= ceil(people / 100.0)) / sum(n), 0), 2
            ) as top_1_percent_share,
            round(
                coalesce(100 * sum(n) filter (where place <= ceil(people / 10.0)) / sum(n), 0), 2
            ) as top_10_percent_share,
            round(
                coalesce(100 * sum(n) filter (where place <= ceil(people / 2.0)) / sum(n), 0), 2
            ) as top_half_share,
            round(1 - sum(n * (2 * place - 1)) / (max(people) * sum(n)), 2) as gini
        from (
            select count(*)::numeric as n, row_number() over (order by count(*) desc) as place,
                count(*) over () as people
            from w group by sender_id
        ) ranked""",
    "membership": """,
        account as (
            select created_at as came, deleted_at as went from users
            where id not in (select id from bot)
        ),
        member as (
            select joined_at as came, left_at as went from conversation_participants
            where user_id not in (select id from bot) and (
                %(visible_to)s::bigint is null or conversation_id in (select id from room)
            )
        ),
        part as (
            select *, greatest(starts_at, %(since)s) as a, least(ends_at, %(until)s) as b from slot
        )
        select starts_at as timestamp,
            case when %(visible_to)s::bigint is null then (
                select count(*) from account where came < b and (went is null or went >= b)
            ) end as accounts,
            case when %(visible_to)s::bigint is null then (
                select count(*) from account where came >= a and came < b
            ) end as joined,
            case when %(visible_to)s::bigint is null then (
                select count(*) from account where went >= a and went < b
            ) end as deleted,
            (select count(*) from member where came < b and (went is null or went >= b))
                as memberships,
            (select count(*) from member where came >= a and came < b) as memberships_joined,
            (select count(*) from member where went >= a and went < b) as memberships_left,
            starts_at < %(since)s or ends_at > %(until)s as is_partial
        from part order by 1""",
    "user_activity": """
        select id as user_id,
            (select count(*) from w where created_at >= %(from)s) as messages_sent,
            (
                select count(*) from r left join messages read on read.id = r.message_id
                where r.user_id = users.id and read_at >= %(from)s and not exists (
                    select from messages own
                    where own.sender_id = users.id
                        and own.conversation_id = read.conversation_id
                        and own.created_at = read.created_at
                )
            ) as messages_read,
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
}
