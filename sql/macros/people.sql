-- People: who wrote or read in a period, as far as a viewer may see it.
-- Messages count that are neither deleted nor system messages. Every read counts, whatever became of the
-- message. For the whole site whole UTC days come from core.user_days, the smallest rollup. Both macros
-- raise the errors of a period.

-- writer_rows: who wrote in a period, and how much; in one conversation, or everywhere.
-- grain: several rows per user; their counts add up
create or replace macro core.writer_rows(since, until, visible_to, for_conversation := null) as table
    select
        null as user_key,
        null as message_count
    from core.period_errors(since := since, until := until)
    union all
    select
        user_key,
        sent_count as message_count
    from core.user_days
    where
        for_conversation is null
        and visible_to is null
        and sent_count > 0
        and core.is_whole_day(utc_day := day, since := since, until := until)
    union all
    select
        sender_key as user_key,
        1 as message_count
    from core.fact_messages
    where
        for_conversation is null
        and visible_to is null
        and core.is_on_ragged_day(instant := created_at, since := since, until := until)
        and deleted_at is null
        and message_type is distinct from 'system'
        and sender_key is not null
    union all
    select
        sent.user_key,
        sent.message_count
    from core.message_rows(since := since, until := until) as sent
    semi join
        core.conversations_in_scope(for_conversation := for_conversation, visible_to := visible_to) as scope
        on sent.conversation_key = scope.conversation_key
    where
        (for_conversation is not null or visible_to is not null)
        and not sent.is_system
        and sent.user_key is not null;

-- activity_rows: who wrote or read in a period, and how much.
-- grain: several rows per user; their counts add up
create or replace macro core.activity_rows(since, until, visible_to) as table
    select
        null as user_key,
        null as sent_count,
        null as read_count
    from core.period_errors(since := since, until := until)
    union all
    select
        user_key,
        sent_count,
        read_count
    from core.user_days
    where visible_to is null and core.is_whole_day(utc_day := day, since := since, until := until)
    union all
    select
        user_key,
        0 as sent_count,
        1 as read_count
    from core.fact_read_receipts
    where
        visible_to is null
        and core.is_on_ragged_day(instant := read_at, since := since, until := until)
        and user_key is not null
    union all
    select
        sender_key as user_key,
        1 as sent_count,
        0 as read_count
    from core.fact_messages
    where
        visible_to is null
        and core.is_on_ragged_day(instant := created_at, since := since, until := until)
        and deleted_at is null
        and message_type is distinct from 'system'
        and sender_key is not null
    union all
    select
        sent.user_key,
        sent.message_count as sent_count,
        0 as read_count
    from core.message_rows(since := since, until := until) as sent
    semi join core.conversations_of(visible_to) as scope on sent.conversation_key = scope.conversation_key
    where visible_to is not null and not sent.is_system and sent.user_key is not null
    union all
    select
        received.user_key,
        0 as sent_count,
        received.read_count
    from core.read_rows(since := since, until := until) as received
    semi join core.conversations_of(visible_to) as scope on received.conversation_key = scope.conversation_key
    where visible_to is not null and received.user_key is not null;
