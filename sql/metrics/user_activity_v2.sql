-- user_activity_v2: What one person did: wrote, read, and in how many conversations.
-- grain: one row; none for a user who does not exist before until or may not be seen
-- scope: the period [since, until), UTC; first_message_date and last_activity_date: all time before until
-- needs: read_receipts for messages_read and last_activity_date
-- messages_sent, active_conversations (in which the person wrote) and first_message_date are of messages
-- that are neither deleted nor system messages; messages_read are receipts, whatever became of the
-- message, except those of the person's own messages: in whose conversation, at whose instant, the person
-- sent a message. last_activity_date is the latest message or receipt, of an own message too.
-- avg_messages_per_day is messages_sent divided by the days of the period, (until - since) / 24 h, two
-- decimals. A viewer sees themself and the people they share a conversation with, and of these people what
-- happened in the viewer's conversations.
create or replace macro metrics.user_activity_v2(
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
        from core.message_rows_before(since := since, until := until)
    ),

    sent as (
        select
            coalesce(sum(found.message_count), 0) as message_count,
            count(distinct found.conversation_key) filter (where found.message_count > 0) as conversation_count,
            min(found.first_at) as first_at,
            max(found.last_at) as last_at
        from
            core.rows_in_scope(
                rows := sent_rows, for_user := for_user, visible_to := visible_to, include_bots := include_bots
            ) as found
    ),

    received_rows as (
        select *
        from core.read_rows_before(since := since, until := until)
    ),

    received_in_scope as (
        select found.*
        from
            core.rows_in_scope(
                rows := received_rows, for_user := for_user, visible_to := visible_to, include_bots := include_bots
            ) as found
    ),

    received as (
        select
            coalesce(sum(received_in_scope.read_count), 0) as read_count,
            coalesce(sum(received_in_scope.own_read_count), 0) as own_read_count,
            max(received_in_scope.last_at) as last_at
        from received_in_scope
    ),

    own_of_ragged_days as (
        select count(*) as read_count
        from received_in_scope
        semi join core.fact_messages as messages
            on
                received_in_scope.conversation_key = messages.conversation_key
                and received_in_scope.user_key = messages.sender_key
                and received_in_scope.message_created_at = messages.created_at
        -- where whole days are asked for nothing is left to look for, and the messages are not read
        where received_in_scope.read_count > 0 and received_in_scope.message_created_at is not null
    )

    select
        person.user_id,
        cast(sent.message_count as bigint) as messages_sent,
        case
            when core.is_available('read_receipts')
                then cast(received.read_count - received.own_read_count - own_of_ragged_days.read_count as bigint)
        end as messages_read,
        sent.conversation_count as active_conversations,
        core.per_day_of(
            amount := sent.message_count,
            microseconds := core.length_of_period(since := since, until := until)
        ) as avg_messages_per_day,
        sent.first_at as first_message_date,
        case
            when core.is_available('read_receipts') then greatest(sent.last_at, received.last_at)
        end as last_activity_date
    from person
    cross join sent
    cross join received
    cross join own_of_ragged_days;
