"""The same questions in the SQL of DuckDB, PostgreSQL and ClickHouse.

A question is an administrator's, over `[since, until)`. The SQL for PostgreSQL and ClickHouse is
written by hand, as a user of that database alone would write it: no macro, no parameter that may be
null, the indexes and the sort order as they are. PostgreSQL has the messenger's own tables and
indexes. chDB has the generation's keyed facts and dimensions in MergeTree tables ordered by time;
it has the integer keys, but not the rollups. `ours` selects the same columns from the metric: the
three answers must be equal.

Parameters are written `%(since)s` for PostgreSQL and `{since:DateTime64(6)}` for chDB.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerQuestion:
    """One question in three dialects; each returns the same rows in the same order."""

    about: str
    ours: str
    postgresql: str
    chdb: str


PEER_QUESTIONS = (
    PeerQuestion(
        about="message_stats",
        ours="""
            select
                total_messages, text_messages, image_messages, file_messages, unique_senders,
                avg_message_length
            from metrics.message_stats($since, $until)
        """,
        postgresql="""
            select
                count(*),
                count(*) filter (where message_type = 'text'),
                count(*) filter (where message_type = 'image'),
                count(*) filter (where message_type = 'file'),
                count(distinct sender_id) filter (where message_type is distinct from 'system'),
                coalesce(round(avg(char_length(content)), 1), 0)
            from messages
            where deleted_at is null and created_at >= %(since)s and created_at < %(until)s
        """,
        chdb="""
            select
                count(),
                countIf(message_type = 'text'),
                countIf(message_type = 'image'),
                countIf(message_type = 'file'),
                uniqExactIf(sender_key, message_type is distinct from 'system'),
                coalesce(
                    round(
                        toDecimal64(sum(content_length), 6) / nullif(count(content_length), 0), 1
                    ),
                    0
                )
            from messages
            where
                deleted_at is null
                and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
        """,
    ),
    PeerQuestion(
        about="message_timeline daily, Europe/Berlin",
        ours="""
            select "count"
            from metrics.message_timeline($since, $until, every := 'daily', tz := 'Europe/Berlin')
        """,
        postgresql="""
            select count(*)
            from messages
            where deleted_at is null and created_at >= %(since)s and created_at < %(until)s
            group by date_trunc('day', created_at, 'Europe/Berlin')
            order by date_trunc('day', created_at, 'Europe/Berlin')
        """,
        chdb="""
            select count()
            from messages
            where
                deleted_at is null
                and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
            group by toDate(created_at, 'Europe/Berlin') as day
            order by day
        """,
    ),
    PeerQuestion(
        about="top_senders",
        ours="select user_id, message_count from metrics.top_senders($since, $until)",
        postgresql="""
            select sender_id, count(*)
            from messages
            where
                deleted_at is null and message_type is distinct from 'system'
                and sender_id is not null
                and created_at >= %(since)s and created_at < %(until)s
            group by sender_id
            order by count(*) desc, sender_id
            limit 10
        """,
        chdb="""
            select users.user_id, counted.messages
            from (
                select sender_key, count() as messages
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and sender_key is not null
                    and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
                group by sender_key
            ) as counted
            inner join users on counted.sender_key = users.user_key
            order by counted.messages desc, users.user_id
            limit 10
        """,
    ),
    PeerQuestion(
        about="active_users",
        ours="select active_users, active_readers from metrics.active_users($since, $until)",
        postgresql="""
            select
                (
                    select count(distinct sender_id)
                    from messages
                    where
                        deleted_at is null and message_type is distinct from 'system'
                        and created_at >= %(since)s and created_at < %(until)s
                ),
                (
                    select count(distinct user_id)
                    from message_read_receipts
                    where read_at >= %(since)s and read_at < %(until)s
                )
        """,
        chdb="""
            select
                (
                    select uniqExact(sender_key)
                    from messages
                    where
                        deleted_at is null and message_type is distinct from 'system'
                        and created_at >= {since:DateTime64(6)}
                        and created_at < {until:DateTime64(6)}
                ),
                (
                    select uniqExact(user_key)
                    from read_receipts
                    where read_at >= {since:DateTime64(6)} and read_at < {until:DateTime64(6)}
                )
        """,
    ),
    PeerQuestion(
        about="engagement",
        ours="""
            select total_users, active_users, engaged_users
            from metrics.engagement($since, $until)
        """,
        postgresql="""
            select count(*), count(*) filter (where sent >= 1), count(*) filter (where sent >= 5)
            from users
            left join (
                select sender_id, count(*) as sent
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and created_at >= %(since)s and created_at < %(until)s
                group by sender_id
            ) as counted on users.id = counted.sender_id
            where
                users.created_at < %(until)s
                and (users.deleted_at is null or users.deleted_at >= %(until)s)
        """,
        chdb="""
            select count(), countIf(counted.sent >= 1), countIf(counted.sent >= 5)
            from users
            left join (
                select sender_key, count() as sent
                from messages
                where
                    deleted_at is null and message_type is distinct from 'system'
                    and sender_key is not null
                    and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
                group by sender_key
            ) as counted on users.user_key = counted.sender_key
            where
                users.in_source
                and users.created_at < {until:DateTime64(6)}
                and (users.deleted_at is null or users.deleted_at >= {until:DateTime64(6)})
        """,
    ),
    PeerQuestion(
        about="top_conversations by messages",
        ours="""
            select cast(conversation_id as varchar), message_count, participant_count
            from metrics.top_conversations($since, $until)
        """,
        postgresql="""
            select
                conversation_id::text, count(*),
                count(distinct sender_id) filter (where message_type is distinct from 'system')
                    as people
            from messages
            where deleted_at is null and created_at >= %(since)s and created_at < %(until)s
            group by conversation_id
            order by count(*) desc, people desc, conversation_id
            limit 10
        """,
        chdb="""
            select conversations.conversation_id, counted.messages, counted.people
            from (
                select
                    conversation_key, count() as messages,
                    uniqExactIf(sender_key, message_type is distinct from 'system') as people
                from messages
                where
                    deleted_at is null
                    and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
                group by conversation_key
            ) as counted
            inner join conversations on counted.conversation_key = conversations.conversation_key
            order by
                counted.messages desc, counted.people desc,
                toString(conversations.conversation_id)  -- the type UUID has an order of its own
            limit 10
        """,
    ),
    PeerQuestion(
        about="message_stats of one conversation",
        ours="""
            select total_messages, unique_senders
            from metrics.message_stats($since, $until, for_conversation := $conversation)
        """,
        postgresql="""
            select
                count(*),
                count(distinct sender_id) filter (where message_type is distinct from 'system')
            from messages
            where
                conversation_id = %(conversation)s::uuid and deleted_at is null
                and created_at >= %(since)s and created_at < %(until)s
        """,
        chdb="""
            select
                count(), uniqExactIf(sender_key, message_type is distinct from 'system')
            from messages
            where
                conversation_key = (
                    select conversation_key
                    from conversations
                    where conversation_id = {conversation:String}
                )
                and deleted_at is null
                and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
        """,
    ),
    PeerQuestion(
        about="message_stats of one user",
        ours="""
            select total_messages
            from metrics.message_stats($since, $until, for_user := $person)
        """,
        postgresql="""
            select count(*)
            from messages
            where
                sender_id = %(person)s and deleted_at is null
                and created_at >= %(since)s and created_at < %(until)s
        """,
        chdb="""
            select count()
            from messages
            where
                sender_key = (select user_key from users where user_id = {person:Int64})
                and deleted_at is null
                and created_at >= {since:DateTime64(6)} and created_at < {until:DateTime64(6)}
        """,
    ),
)
