"""Questions about people, replies and reads in the SQL of DuckDB, PostgreSQL and ClickHouse.

As in `peer_questions`: an administrator's questions, the SQL of the peers written by hand, equal
answers. Ours also computes columns that are not compared: the 7- and 30-day numbers of
`active_timeline`, the answered messages of `reply_times`, and both by type of conversation.

A person is active who wrote a message that is neither deleted nor a system message, or who read
one. Replies and reads are those of people, so bots are left out; messages of one sender in one
conversation at one instant are one.
"""

from __future__ import annotations

from tests.bench.peer_questions import PeerQuestion

# Messages of people, once for each conversation, instant and sender: what replies and reads are of.
# ClickHouse has a GROUP BY, because its DISTINCT in the order of the table takes 200 times as long.
_SENT_POSTGRESQL = """
    select distinct conversation_id, created_at, sender_id
    from messages
    where
        deleted_at is null and message_type is distinct from 'system'
        and sender_id not in (select id from users where is_bot)
        and created_at >= {since} and created_at < {until}
"""
_SENT_CHDB = """
    select conversation_key, created_at, assumeNotNull(sender_key) as sender
    from messages
    where
        deleted_at is null and message_type is distinct from 'system'
        and sender_key is not null
        and sender_key not in (select user_key from users where is_bot)
        and created_at >= {since} and created_at < {until}
    group by conversation_key, created_at, sender
"""
_SINCE, _UNTIL = "%(since)s", "%(until)s"
_SINCE_CHDB, _UNTIL_CHDB = "{since:DateTime64(6)}", "{until:DateTime64(6)}"

PEOPLE_QUESTIONS = (
    PeerQuestion(
        about="active_timeline daily, Europe/Berlin: people active on each day",
        ours="""
            select active_people
            from metrics.active_timeline($since, $until, every := 'daily', tz := 'Europe/Berlin')
        """,
        postgresql="""
            select count(distinct person)
            from (
                select
                    sender_id as person, date_trunc('day', created_at, 'Europe/Berlin') as day
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and created_at >= date_trunc('day', %(since)s, 'Europe/Berlin')
                    and created_at < %(until)s
                union all
                select user_id, date_trunc('day', read_at, 'Europe/Berlin')
                from message_read_receipts
                where
                    read_at >= date_trunc('day', %(since)s, 'Europe/Berlin')
                    and read_at < %(until)s
            ) as activity
            group by day
            order by day
        """,
        chdb="""
            select uniqExact(person)
            from (
                select
                    assumeNotNull(sender_key) as person,
                    toDate(created_at, 'Europe/Berlin') as day
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and sender_key is not null
                    and created_at
                    >= toStartOfDay(toTimeZone({since:DateTime64(6)}, 'Europe/Berlin'))
                    and created_at < {until:DateTime64(6)}
                union all
                select user_key, toDate(read_at, 'Europe/Berlin')
                from read_receipts
                where
                    read_at >= toStartOfDay(toTimeZone({since:DateTime64(6)}, 'Europe/Berlin'))
                    and read_at < {until:DateTime64(6)}
            )
            group by day
            order by day
        """,
    ),
    PeerQuestion(
        about="message_heatmap, Europe/Berlin",
        ours="""
            select weekday, hour, messages
            from metrics.message_heatmap($since, $until, tz := 'Europe/Berlin')
            where messages > 0
            order by weekday, hour
        """,
        postgresql="""
            select weekday, hour, count(*)
            from (
                select
                    extract(isodow from created_at at time zone 'Europe/Berlin')::int as weekday,
                    extract(hour from created_at at time zone 'Europe/Berlin')::int as hour
                from messages
                where deleted_at is null and created_at >= %(since)s and created_at < %(until)s
            ) as found
            group by weekday, hour
            order by weekday, hour
        """,
        chdb="""
            select
                toDayOfWeek(created_at, 0, 'Europe/Berlin') as weekday,
                toHour(created_at, 'Europe/Berlin') as hour,
                count()
            from messages
            where
                deleted_at is null
                and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
            group by weekday, hour
            order by weekday, hour
        """,
    ),
    PeerQuestion(
        about="people_heatmap, Europe/Berlin",
        ours="""
            select weekday, hour, people
            from metrics.people_heatmap($since, $until, tz := 'Europe/Berlin')
            where people > 0
            order by weekday, hour
        """,
        postgresql="""
            select
                extract(isodow from hour at time zone 'Europe/Berlin')::int,
                extract(hour from hour at time zone 'Europe/Berlin')::int,
                count(*)
            from (
                select sender_id as person, date_trunc('hour', created_at) as hour
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and sender_id is not null
                    and created_at >= %(since)s and created_at < %(until)s
                union
                select user_id, date_trunc('hour', read_at)
                from message_read_receipts
                where read_at >= %(since)s and read_at < %(until)s
            ) as activity
            group by 1, 2
            order by 1, 2
        """,
        chdb="""
            select
                toDayOfWeek(hour_at, 0, 'Europe/Berlin') as weekday,
                toHour(hour_at, 'Europe/Berlin') as hour,
                count()
            from (
                select
                    assumeNotNull(sender_key) as person,
                    toStartOfHour(created_at, 'Europe/Berlin') as hour_at
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and sender_key is not null
                    and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
                union distinct
                select user_key, toStartOfHour(read_at, 'Europe/Berlin')
                from read_receipts
                where read_at >= {since:DateTime64(6)} and read_at < {until:DateTime64(6)}
            )
            group by weekday, hour
            order by weekday, hour
        """,
    ),
    PeerQuestion(
        about="retention weekly, Europe/Berlin",
        ours="""
            select cast(epoch(cohort) as bigint), bucket_number, people
            from metrics.retention($since, $until, every := 'weekly', tz := 'Europe/Berlin')
            where cohort is not null and people > 0
            order by cohort, bucket_number
        """,
        postgresql="""
            with weeks as (
                select
                    sender_id as person,
                    date_trunc('week', created_at at time zone 'Europe/Berlin')::date as week
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and sender_id is not null and created_at < %(until)s
                union
                select user_id, date_trunc('week', read_at at time zone 'Europe/Berlin')::date
                from message_read_receipts
                where read_at < %(until)s
            ),
            first_weeks as (
                select person, min(week) as week
                from weeks
                group by person
            )
            select
                extract(epoch from first_weeks.week::timestamp at time zone 'Europe/Berlin')::int,
                (weeks.week - first_weeks.week) / 7 as number, count(*)
            from first_weeks
            inner join weeks using (person)
            where
                first_weeks.week
                >= date_trunc('week', %(since)s::timestamptz at time zone 'Europe/Berlin')
            group by first_weeks.week, number
            order by first_weeks.week, number
        """,
        chdb="""
            with weeks as (
                select
                    assumeNotNull(sender_key) as person,
                    toMonday(created_at, 'Europe/Berlin') as week
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and sender_key is not null and created_at < {until:DateTime64(6)}
                union distinct
                select user_key, toMonday(read_at, 'Europe/Berlin')
                from read_receipts
                where read_at < {until:DateTime64(6)}
            )
            select
                toUnixTimestamp(toDateTime(toString(first_week), 'Europe/Berlin')) as cohort,
                dateDiff('week', first_week, arrayJoin(all_weeks)) as number, count()
            from (
                select min(week) as first_week, groupArray(week) as all_weeks
                from weeks
                group by person
            )
            where first_week >= toMonday({since:DateTime64(6)}, 'Europe/Berlin')
            group by cohort, number
            order by cohort, number
        """,
    ),
    PeerQuestion(
        about="reply_times of all conversations",
        ours="""
            select replies, half_seconds, nine_tenths_seconds
            from metrics.reply_times($since, $until)
            limit 1
        """,
        postgresql=f"""
            with sent as (
                {_SENT_POSTGRESQL.format(since=f"{_SINCE} - interval '24 hours'", until=_UNTIL)}
            ),
            instants as (
                select
                    conversation_id, created_at,
                    case when count(*) = 1 then min(sender_id) end as only_sender
                from sent
                group by conversation_id, created_at
            ),
            linked as (
                select
                    conversation_id, created_at,
                    lag(created_at) over before as before_at,
                    lag(only_sender) over before as before_sender
                from instants
                window before as (partition by conversation_id order by created_at)
            ),
            pauses as (
                select
                    floor(extract(epoch from sent.created_at - linked.before_at))::bigint as seconds
                from sent
                inner join linked using (conversation_id, created_at)
                where
                    sent.created_at >= {_SINCE}
                    and sent.created_at < linked.before_at + interval '24 hours'
                    and coalesce(linked.before_sender <> sent.sender_id, true)
            )
            select
                count(*),
                percentile_disc(0.5) within group (order by seconds),
                percentile_disc(0.9) within group (order by seconds)
            from pauses
        """,
        chdb=f"""
            with sent as (
                {_SENT_CHDB.format(since=f"{_SINCE_CHDB} - interval 24 hour", until=_UNTIL_CHDB)}
            ),
            linked as (
                select
                    conversation_key, created_at, senders,
                    lagInFrame(toNullable(created_at)) over before as before_at,
                    lagInFrame(senders) over before as before_senders
                from (
                    select conversation_key, created_at, groupArray(sender) as senders
                    from sent
                    group by conversation_key, created_at
                )
                window before as (
                    partition by conversation_key order by created_at
                    rows between 1 preceding and current row
                )
            ),
            pauses as (
                select
                    intDiv(dateDiff('microsecond', before_at, created_at), 1000000) as seconds,
                    arrayJoin(senders) as sender
                from linked
                where
                    created_at >= {_SINCE_CHDB} and created_at < before_at + interval 24 hour
                    and before_senders <> [sender]
            )
            select
                count(), arraySort(groupArray(seconds))[toUInt64(ceil(count() * 0.5))],
                arraySort(groupArray(seconds))[toUInt64(ceil(count() * 0.9))]
            from pauses
        """,
    ),
    PeerQuestion(
        about="read_rate of all conversations",
        ours="""
            select judged_messages, read_messages, median_seconds
            from metrics.read_rate($since, $until)
            limit 1
        """,
        postgresql=f"""
            with sent as (
                {_SENT_POSTGRESQL.format(since=_SINCE, until=f"{_UNTIL} - interval '24 hours'")}
            ),
            reads as materialized (
                select
                    messages.conversation_id, messages.created_at,
                    receipts.user_id, receipts.read_at
                from messages
                inner join message_read_receipts as receipts on messages.id = receipts.message_id
                where
                    messages.created_at >= {_SINCE}
                    and messages.created_at < {_UNTIL} - interval '24 hours'
                    and receipts.read_at >= messages.created_at
                    and receipts.read_at < messages.created_at + interval '24 hours'
                    and receipts.user_id not in (select id from users where is_bot)
            ),
            first_reads as (
                select
                    sent.conversation_id, sent.created_at, sent.sender_id,
                    min(reads.read_at) as read_at
                from sent
                inner join reads using (conversation_id, created_at)
                where reads.user_id <> sent.sender_id
                group by sent.conversation_id, sent.created_at, sent.sender_id
            )
            select
                (select count(*) from sent),
                count(*),
                percentile_disc(0.5) within group (
                    order by floor(extract(epoch from read_at - created_at))::bigint
                )
            from first_reads
        """,
        chdb=f"""
            with sent as (
                {_SENT_CHDB.format(since=_SINCE_CHDB, until=f"{_UNTIL_CHDB} - interval 24 hour")}
            ),
            first_reads as (
                select
                    sent.conversation_key, sent.created_at, sent.sender,
                    intDiv(
                        dateDiff('microsecond', sent.created_at, min(receipts.read_at)), 1000000
                    ) as seconds
                from read_receipts as receipts
                inner join sent
                    on
                        receipts.conversation_key = sent.conversation_key
                        and receipts.message_created_at = sent.created_at
                where
                    receipts.user_key <> sent.sender
                    and receipts.user_key not in (select user_key from users where is_bot)
                    and receipts.read_at >= sent.created_at
                    and receipts.read_at < sent.created_at + interval 24 hour
                    and receipts.read_at >= {_SINCE_CHDB} and receipts.read_at < {_UNTIL_CHDB}
                group by sent.conversation_key, sent.created_at, sent.sender
            )
            select
                (select count() from sent), count(),
                arraySort(groupArray(seconds))[toUInt64(ceil(count() * 0.5))]
            from first_reads
        """,
    ),
    PeerQuestion(
        about="conversation_mix daily, Europe/Berlin: messages",
        ours="""
            select cast(epoch("timestamp") as bigint), conversation_type, messages
            from metrics.conversation_mix($since, $until, every := 'daily', tz := 'Europe/Berlin')
            where messages > 0
            order by "timestamp", conversation_type
        """,
        postgresql="""
            select extract(epoch from day)::int, type, count(*)
            from (
                select
                    date_trunc('day', messages.created_at, 'Europe/Berlin') as day,
                    conversations.type
                from messages
                left join conversations on messages.conversation_id = conversations.id
                where
                    messages.deleted_at is null
                    and messages.created_at >= %(since)s and messages.created_at < %(until)s
            ) as found
            group by day, type
            order by day, type
        """,
        chdb="""
            select
                toUnixTimestamp(toStartOfDay(created_at, 'Europe/Berlin')) as day,
                conversations.conversation_type, count()
            from messages
            left join conversations using (conversation_key)
            where
                deleted_at is null
                and messages.created_at >= {since:DateTime64(6)}
                and messages.created_at < {until:DateTime64(6)}
            group by day, conversations.conversation_type
            order by day, conversations.conversation_type
        """,
    ),
    PeerQuestion(
        about="concentration",
        ours="""
            select
                messages, writers, top_1_percent_share, top_10_percent_share, top_half_share, gini
            from metrics.concentration($since, $until)
        """,
        postgresql="""
            with writers as (
                select count(*) as sent
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and sender_id is not null
                    and created_at >= %(since)s and created_at < %(until)s
                group by sender_id
            ),
            ranked as (
                select
                    sent,
                    row_number() over (order by sent desc) as rank,
                    row_number() over (order by sent) as rank_from_below,
                    count(*) over () as writers
                from writers
            )
            select
                sum(sent),
                count(*),
                round(100 * sum(sent) filter (where rank <= ceil(writers * 0.01)) / sum(sent), 2),
                round(100 * sum(sent) filter (where rank <= ceil(writers * 0.1)) / sum(sent), 2),
                round(100 * sum(sent) filter (where rank <= ceil(writers * 0.5)) / sum(sent), 2),
                round(
                    2 * sum(rank_from_below * sent) / (count(*) * sum(sent))
                    - (count(*) + 1)::numeric / count(*), 2
                )
            from ranked
        """,
        chdb="""
            with
                arrayReverseSort(groupArray(sent)) as ranked,
                count() as writers,
                sum(sent) as messages,
                toInt64(ceil(writers * 0.01)) as top_1,
                toInt64(ceil(writers * 0.1)) as top_10,
                toInt64(ceil(writers * 0.5)) as top_half
            select
                messages,
                writers,
                round(100 * arraySum(arraySlice(ranked, 1, top_1)) / messages, 2),
                round(100 * arraySum(arraySlice(ranked, 1, top_10)) / messages, 2),
                round(100 * arraySum(arraySlice(ranked, 1, top_half)) / messages, 2),
                round(
                    2 * arraySum((x, i) -> x * i, arrayReverse(ranked), range(1, writers + 1))
                    / (writers * messages) - (writers + 1) / writers, 2
                )
            from (
                select count() as sent
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and sender_key is not null
                    and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
                group by sender_key
            )
        """,
    ),
)
