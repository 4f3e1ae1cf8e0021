-- People: who wrote or read in a period, as far as a viewer may see it.
-- Messages count that are neither deleted nor system messages. Every read counts, whatever became of the
-- message. For the whole site whole UTC days come from core.user_days, the smallest rollup. Macros that count by
-- user, and spans, raise the errors of a period.

-- writer_rows: who wrote in a period, and how much; in one conversation, in those of a type, or everywhere.
-- grain: several rows per user; their counts add up
create or replace macro core.writer_rows(since, until, visible_to, for_conversation := null, for_type := null) as table
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
        and for_type is null
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
        and for_type is null
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
        core.conversations_in_scope(
            for_conversation := for_conversation, visible_to := visible_to, for_type := for_type
        ) as scope
        on sent.conversation_key = scope.conversation_key
    where
        (for_conversation is not null or for_type is not null or visible_to is not null)
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

-- activity_instants: everything that people wrote or read in a period, each by its instant.
-- grain: one row per message that is neither deleted nor a system message, and one per read
create or replace macro core.activity_instants(since, until) as table
    select
        conversation_key,
        sender_key as user_key,
        created_at as instant_at,
        true as is_sent
    from core.fact_messages
    where
        core.is_in_period(instant := created_at, since := since, until := until)
        and deleted_at is null
        and message_type is distinct from 'system'
        and sender_key is not null
    union all
    select
        conversation_key,
        user_key,
        read_at as instant_at,
        false as is_sent
    from core.fact_read_receipts
    where core.is_in_period(instant := read_at, since := since, until := until) and user_key is not null;

-- cut_activity: what people wrote or read in the quarter-hours that an edge of a bucket or of the period cuts.
-- grain: one row per message that is neither deleted nor a system message, and one per read; some twice
-- buckets names numbered buckets of the period.
create or replace macro core.cut_activity(buckets, since, until) as table
    select
        ragged.conversation_key,
        ragged.user_key,
        ragged.instant_at,
        ragged.is_sent
    from core.activity_instants(since := since, until := until) as ragged
    where core.is_in_ragged_quarter_hour(instant := ragged.instant_at, since := since, until := until)
    union all
    select
        cut.conversation_key,
        cut.user_key,
        cut.instant_at,
        cut.is_sent
    from core.activity_instants(since := since, until := until) as cut
    semi join (
        select core.quarter_hour_of(bucket_at) as quarter_at
        from query_table(buckets)
        where bucket_at <> core.quarter_hour_of(bucket_at)
    ) as edges
        on core.quarter_hour_of(cut.instant_at) = edges.quarter_at;

-- activity_spans: what people wrote or read, each from the first to the last of a UTC day.
-- grain: one row per UTC day, conversation, user and is_sent; on ragged days one per message and read
create or replace macro core.activity_spans(since, until, visible_to) as table
    with sent_rows as (
        select *
        from core.message_rows(since := since, until := until)
    ),

    received_rows as (
        select *
        from core.read_rows(since := since, until := until)
    )

    select
        null as conversation_key,
        null as user_key,
        null as first_at,
        null as last_at,
        null as is_sent
    from core.period_errors(since := since, until := until)
    union all
    select
        sent.conversation_key,
        sent.user_key,
        sent.first_at,
        sent.last_at,
        true as is_sent
    from core.rows_in_scope(rows := sent_rows, visible_to := visible_to, include_bots := true) as sent
    where not sent.is_system and sent.user_key is not null
    union all
    select
        received.conversation_key,
        received.user_key,
        received.first_at,
        received.last_at,
        false as is_sent
    from core.rows_in_scope(rows := received_rows, visible_to := visible_to, include_bots := true) as received
    where received.user_key is not null;

-- whether a span of activity of a UTC day meets a time of 24 hours or more
create or replace macro core.meets(first_act, last_act, opened, closed) as (
    (first_act >= opened and first_act < closed) or (last_act >= opened and last_act < closed)
);
