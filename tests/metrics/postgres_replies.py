"""The metrics about replies, answers and reads as PostgreSQL queries.

They follow the named queries of `postgres_queries.SEEN` and `MEMBERS`.
"""

from __future__ import annotations

# `human`: messages of people before `until`, of the conversations that are asked for and seen, once
# per conversation, instant and sender; `said`: those of the period, with the pauses around them;
# `crowd`: the conversations in which five people are present.
_SAID = """, human as (
    select distinct conversation_id, created_at, sender_id
    from messages
    where deleted_at is null and message_type <> 'system' and sender_id is not null
        and sender_id not in (select id from users where is_bot)
        and created_at >= %(since)s::timestamptz - interval '24 hours' and created_at < %(until)s
        and (%(visible_to)s::bigint is null or conversation_id in (select id from room))
        and (%(for_conversation)s::uuid is null or conversation_id = %(for_conversation)s)
),
instant as (
    select conversation_id, created_at,
        lag(created_at) over (partition by conversation_id order by created_at) as before_at
    from human group by conversation_id, created_at
),
-- those of somebody else at the latest earlier instant, less than 24 hours before
reply as (
    select h.conversation_id, h.created_at, h.sender_id, o.sender_id as other_id,
        floor(extract(epoch from h.created_at - o.created_at))::bigint as seconds
    from human h join instant i using (conversation_id, created_at)
    join human o on o.conversation_id = h.conversation_id and o.created_at = i.before_at
    where o.sender_id <> h.sender_id and o.created_at > h.created_at - interval '24 hours'
        and h.created_at >= %(since)s
),
said as (
    select h.*, type, reply_seconds,
        h.created_at < %(until)s::timestamptz - interval '24 hours' as is_judged,
        case when h.created_at < %(until)s::timestamptz - interval '24 hours' then (
            select x.created_at - h.created_at
            from messages x
            where x.conversation_id = h.conversation_id and x.created_at > h.created_at
                and x.created_at < h.created_at + interval '24 hours' and x.sender_id <> h.sender_id
                and x.deleted_at is null and x.message_type <> 'system'
                and x.sender_id not in (select id from users where is_bot)
            order by x.created_at limit 1
        ) end as answer_pause
    from human h left join (select id, type from conversations) c on c.id = conversation_id
    left join (
        select conversation_id, created_at, sender_id, min(seconds) as reply_seconds
        from reply group by 1, 2, 3
    ) r using (conversation_id, created_at, sender_id)
    where h.created_at >= %(since)s
),
lasting as (
    select %(since)s::timestamptz < %(until)s::timestamptz - interval '24 hours' as has_day
),
crowd as (
    select conversation_id as id from present join users u on u.id = user_id
    where not u.is_bot and u.deleted_at is null
    group by 1 having count(*) >= 5
)"""
_MEASURES = """
    count(reply_seconds) as replies,
    percentile_disc(0.5) within group (order by reply_seconds) as half_seconds,
    percentile_disc(0.9) within group (order by reply_seconds) as nine_tenths_seconds,
    count(*) filter (where is_judged) as judged_messages"""


def _rate(counted: str, known: str) -> str:
    return f"""case when {known} then round(coalesce(
        100.0 * count(*) filter (where is_judged and {counted})
        / nullif(count(*) filter (where is_judged), 0), 0), 2) end"""


def _rates(known: str) -> str:
    soon, late = (f"answer_pause < interval '{hours} hours'" for hours in (1, 24))
    return f""",
    {_rate(soon, known)} as answered_in_1_hour_rate,
    {_rate(late, known)} as answered_in_24_hours_rate"""


_HAS_DAY = "(select has_day from lasting)"
_READS = f"""count(*) as judged_messages, count(seconds) as read_messages,
    case when {_HAS_DAY} then
        round(coalesce(100.0 * count(seconds) / nullif(count(*), 0), 0), 2) end as read_rate,
    percentile_disc(0.5) within group (order by seconds) as median_seconds"""
QUERIES = {
    "reply_times": f"""{_SAID}
        select null as conversation_type, {_MEASURES} {_rates(_HAS_DAY)},
            0.00 as relative_error
        from said
        union all
        select * from (
            select type, {_MEASURES} {_rates(_HAS_DAY)}, 0.00 as relative_error
            from said
            where is_judged or reply_seconds is not null
            group by type having type is not null order by type collate "C"
        ) typed""",
    "reply_timeline": f"""{_SAID}, counted as materialized (
            select
                date_trunc((select max(unit) from slot), created_at at time zone %(tz)s)
                    at time zone %(tz)s as starts_at,
                {_MEASURES} {_rates("true")}
            from said group by 1
        )
        select starts_at as timestamp, coalesce(replies, 0) as replies, half_seconds,
            nine_tenths_seconds, coalesce(judged_messages, 0) as judged_messages,
            case when is_known then coalesce(answered_in_1_hour_rate, 0.00) end
                as answered_in_1_hour_rate,
            case when is_known then coalesce(answered_in_24_hours_rate, 0.00) end
                as answered_in_24_hours_rate,
            starts_at < %(since)s or ends_at > %(until)s as is_partial
        from (
            select starts_at, ends_at,
                greatest(starts_at, %(since)s) < %(until)s::timestamptz - interval '24 hours'
                    as is_known
            from slot
        ) slots left join counted using (starts_at)
        order by starts_at""",
    "reply_times_by_conversation": f"""{_SAID}
        select conversation_id, max(type) as type, max(title) as title,
            {_MEASURES} {_rates(_HAS_DAY)}
        from said left join (select id, title from conversations) t on t.id = conversation_id
        where conversation_id in (select id from crowd)
        group by 1 having count(reply_seconds) > 0 order by 4 desc, 1 limit %(top_n)s""",
    "read_rate": f"""{_SAID}, judged as (
        select type, (
            select floor(extract(epoch from min(read_at) - s.created_at))::bigint
            from messages x join message_read_receipts on message_id = x.id
            where x.conversation_id = s.conversation_id and x.created_at = s.created_at
                and user_id <> s.sender_id and user_id not in (select id from users where is_bot)
                and read_at >= s.created_at and read_at < s.created_at + interval '24 hours'
        ) as seconds
        from said s where is_judged
    )
    select null as conversation_type, {_READS} from judged
    union all
    select * from (
        select type, {_READS} from judged
        group by type having type is not null order by type collate "C"
    ) typed""",
    "response_matrix": f"""{_SAID}
        select sender_id as from_user_id, f.username as from_username,
            other_id as to_user_id, t.username as to_username, count(*) as replies,
            percentile_disc(0.5) within group (order by seconds) as half_seconds
        from reply
        left join users f on f.id = sender_id and f.deleted_at is null
        left join users t on t.id = other_id and t.deleted_at is null
        where conversation_id in (select id from crowd) and conversation_id = %(for_conversation)s
            and (%(visible_to)s::bigint is null or not exists (
                select from unnest(array[sender_id, other_id]) named
                where named not in (
                    select user_id from present where conversation_id = %(for_conversation)s
                )
            ))
        group by 1, 2, 3, 4 order by 5 desc, 1, 3 limit %(top_n)s""",
}
