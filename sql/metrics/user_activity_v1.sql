-- user_activity_v1: What one person did: wrote, read, and in how many conversations.
-- grain: one row; none for a user who does not exist before until or may not be seen
-- scope: the period [since, until), UTC; first_message_date and last_activity_date: all time before until
-- needs: read_receipts for messages_read and last_activity_date
-- messages_sent, active_conversations (in which the person wrote) and first_message_date are of messages
-- that are neither deleted nor system messages; messages_read are receipts, whatever became of the
-- message, of the person's own messages too, which user_activity_v2 leaves out; last_activity_date is the
-- latest of both. avg_messages_per_day is messages_sent divided by the days of the period, (until - since)
-- / 24 h, two decimals. A viewer sees themself and the people they share a conversation with, and of these
-- people what happened in the viewer's conversations.
create or replace macro metrics.user_activity_v1(
    for_user,
    since timestamp,
    until timestamp := null,
    visible_to := null,
    include_bots := true
) as table
    with person as (
        select users.user_id
        from core.people_in_scope(visible_to) as users
        where
            users.user_id = for_user
            and users.in_source
            and coalesce(users.created_at < core.end_of(until), true)
    ),

    sent_rows as (
        select *
        from core.message_rows(since := since, until := until)
    ),

    sent as (
        select
            coalesce(sum(found.message_count), 0) as message_count,
            count(distinct found.conversation_key) as conversation_count
        from
            core.rows_in_scope(
                rows := sent_rows, for_user := for_user, visible_to := visible_to, include_bots := include_bots
            ) as found
        where not found.is_system
    ),

    received_rows as (
        select *
        from core.read_rows(since := since, until := until)
    ),

    received as (
        select coalesce(sum(found.read_count), 0) as read_count
        from
            core.rows_in_scope(
                rows := received_rows, for_user := for_user, visible_to := visible_to, include_bots := include_bots
            ) as found
    ),

    ever_sent_rows as (
        select *
        from core.message_rows(since := timestamp '0001-01-01', until := until)
    ),

    ever_sent as (
        select
            min(found.first_at) as first_at,
            max(found.last_at) as last_at
        from
            core.rows_in_scope(
                rows := ever_sent_rows, for_user := for_user, visible_to := visible_to, include_bots := include_bots
            ) as found
        where not found.is_system
    ),

    ever_received_rows as (
        select *
        from core.read_rows(since := timestamp '0001-01-01', until := until)
    ),

    ever_received as (
        select max(found.last_at) as last_at
        from
            core.rows_in_scope(
                rows := ever_received_rows,
                for_user := for_user,
                visible_to := visible_to,
                include_bots := include_bots
            ) as found
    )

    select
        person.user_id,
        cast(sent.message_count as bigint) as messages_sent,
        case when core.is_available('read_receipts') then cast(received.read_count as bigint) end as messages_read,
        sent.conversation_count as active_conversations,
        core.per_day_of(
            amount := sent.message_count,
            microseconds := core.length_of_period(since := since, until := until)
        ) as avg_messages_per_day,
        ever_sent.first_at as first_message_date,
        case
            when core.is_available('read_receipts') then greatest(ever_sent.last_at, ever_received.last_at)
        end as last_activity_date
    from person
    cross join sent
    cross join received
    cross join ever_sent
    cross join ever_received;
