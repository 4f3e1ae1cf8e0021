-- user_activity_v1: What one person did: wrote, read, and in how many conversations.
-- grain: one row; none for a user who does not exist before until or may not be seen
-- scope: the period [since, until), UTC; first_message_date and last_activity_date: all time before until
-- messages_sent, active_conversations (wrote in) and first_message_date are of messages
-- that are neither deleted nor system messages; messages_read are receipts, whatever became of the
-- message; last_activity_date is the latest of both. avg_messages_per_day is messages_sent by the days
-- asked, (until - since) / 24 h, two decimals. A viewer sees himself and whom he shares a conversation
-- with, and of them what happened in his conversations.
create or replace macro metrics.user_activity_v1(
    for_user,
    since timestamp,
    until timestamp := null,
    visible_to := null,
    include_bots := true
) as table
    with person as (
        select users.user_id
        from core.people_in_scope(null, visible_to) as users
        where
            users.user_id = for_user
            and users.in_source
            and users.created_at < coalesce(until, core.data_through())
    ),

    sent as (
        select
            coalesce(sum(found.message_count), 0) as message_count,
            count(distinct found.conversation_key) as conversation_count
        from
            core.message_window(
                since, coalesce(until, core.data_through()), null, for_user, visible_to, include_bots
            ) as found
        where not found.is_system
    ),

    received as (
        select coalesce(sum(found.read_count), 0) as read_count
        from core.read_window(
            since, coalesce(until, core.data_through()), null, for_user, visible_to, include_bots
        ) as found
    ),

    ever_sent as (
        select
            min(found.first_at) as first_at,
            max(found.last_at) as last_at
        from
            core.message_window(
                timestamp '0001-01-01', coalesce(until, core.data_through()), null, for_user, visible_to, include_bots
            ) as found
        where not found.is_system
    ),

    ever_read as (
        select max(found.last_at) as last_at
        from core.read_window(
            timestamp '0001-01-01', coalesce(until, core.data_through()), null, for_user, visible_to, include_bots
        ) as found
    ),

    answer as (
        select
            person.user_id,
            cast(sent.message_count as bigint) as messages_sent,
            cast(received.read_count as bigint) as messages_read,
            sent.conversation_count as active_conversations,
            core.per_day_of(
                sent.message_count, epoch_us(coalesce(until, core.data_through())) - epoch_us(since)
            ) as avg_messages_per_day,
            ever_sent.first_at as first_message_date,
            greatest(ever_sent.last_at, ever_read.last_at) as last_activity_date
        from person
        cross join sent
        cross join received
        cross join ever_sent
        cross join ever_read
    )

    select *
    from answer
    union all by name
    select null as user_id
    from core.refused(core.is_window(since, coalesce(until, core.data_through())));
