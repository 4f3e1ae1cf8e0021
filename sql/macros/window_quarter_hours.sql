-- message_moments: messages of [from_at, to_at) that are not deleted, by their instants; or, if by_day, those
-- of a whole UTC day together, by the first of their instants, which is on that day.
-- grain: one row per message; if by_day, one row per UTC day, conversation, sender and is_system, and one
-- per message of the ragged ends
create or replace macro core.message_moments(from_at, to_at, by_day) as table
    select
        conversation_key,
        sender_key,
        first_at as sent_at,
        message_count
    from core.message_days
    where by_day and day >= core.first_whole_day(from_at) and day < core.end_of_whole_days(from_at, to_at)
    union all
    select
        conversation_key,
        sender_key,
        created_at as sent_at,
        1 as message_count
    from core.messages
    where
        created_at >= from_at
        and created_at < to_at
        and (not by_day or core.is_on_ragged_day(created_at, from_at, to_at))
        and deleted_at is null;

-- message_bucket_window: messages of [from_at, to_at) that are not deleted, as far as they are asked for and
-- may be seen, by an instant of the bucket that they belong to.
-- grain: several rows per bucket; their counts add up
-- What is counted over the whole site comes from the rollup of quarter-hours (or parts of one in which a
-- clock changed), but for the ragged ends. All else comes from that of days where buckets are made of whole
-- UTC days, and else from the facts. As in window_messages.sql, the paths that are not taken cost nothing.
create or replace macro core.message_bucket_window(
    from_at, to_at, every, tz, conversation, person, viewer, with_bots
) as table
    with moments as (
        select
            created_at as sent_at,
            1 as message_count
        from core.messages
        where
            with_bots
            and conversation is null
            and person is null
            and viewer is null
            and deleted_at is null
            and core.is_in_ragged_quarter(created_at, from_at, to_at)
        union all
        select
            scoped.sent_at,
            scoped.message_count
        from core.message_moments(from_at, to_at, core.are_utc_days(every, tz)) as scoped
        semi join core.conversations_in_scope(conversation, viewer) as scope
            on scoped.conversation_key = scope.conversation_key
        anti join core.bots_left_out(with_bots) as bots on scoped.sender_key = bots.user_key
        where
            (conversation is not null or viewer is not null)
            and (person is null or scoped.sender_key = core.key_of_seen(person, viewer))
        union all
        select
            theirs.sent_at,
            theirs.message_count
        from core.message_moments(from_at, to_at, core.are_utc_days(every, tz)) as theirs
        anti join core.bots_left_out(with_bots) as bots on theirs.sender_key = bots.user_key
        where
            person is not null
            and conversation is null
            and viewer is null
            and theirs.sender_key = core.key_of_user(person)
        union all
        select
            everyone.sent_at,
            everyone.message_count
        from core.message_moments(from_at, to_at, core.are_utc_days(every, tz)) as everyone
        anti join core.bots_left_out(with_bots) as bots on everyone.sender_key = bots.user_key
        where
            not with_bots
            and person is null
            and conversation is null
            and viewer is null
    ),

    placed as (
        select
            moments.sent_at,
            moments.message_count,
            core.quarter_of(moments.sent_at) as began_at
        from moments
    )

    select
        quarter_at as counted_at,
        message_count
    from core.message_quarter_hours
    where
        with_bots
        and conversation is null
        and person is null
        and viewer is null
        and quarter_at >= core.first_whole_quarter(from_at)
        and quarter_at < core.end_of_whole_quarter_hours(from_at, to_at)
    union all
    select
        case
            when placed.sent_at >= changes.changed_at then changes.changed_at
            else placed.began_at
        end as counted_at,
        sum(placed.message_count) as message_count
    from placed
    left join core.clock_changes as changes on placed.began_at = changes.began_at
    group by counted_at;

-- event_quarter_window: events of [from_at, to_at) by type and quarter-hour, as far as they may be seen.
-- grain: several rows per event type and UTC quarter-hour, or part of one in which a clock changed; their
-- counts add up
create or replace macro core.event_quarter_window(from_at, to_at, viewer, with_bots) as table
    with facts as (
        select
            created_at,
            event_type
        from core.events
        where
            with_bots
            and viewer is null
            and core.is_in_ragged_quarter(created_at, from_at, to_at)
        union all
        select
            everyone.created_at,
            everyone.event_type
        from core.events as everyone
        anti join core.bots_left_out(with_bots) as bots on everyone.user_key = bots.user_key
        where
            not with_bots
            and viewer is null
            and everyone.created_at >= from_at
            and everyone.created_at < to_at
        union all
        select
            scoped.created_at,
            scoped.event_type
        from core.events as scoped
        semi join core.conversations_of(viewer) as scope on scoped.conversation_key = scope.conversation_key
        anti join core.bots_left_out(with_bots) as bots on scoped.user_key = bots.user_key
        where
            viewer is not null
            and scoped.created_at >= from_at
            and scoped.created_at < to_at
        union all
        select
            theirs.created_at,
            theirs.event_type
        from core.events as theirs
        anti join core.bots_left_out(with_bots) as bots on theirs.user_key = bots.user_key
        where
            viewer is not null
            and theirs.conversation_key is null
            and theirs.user_key = core.key_of_user(viewer)
            and theirs.created_at >= from_at
            and theirs.created_at < to_at
    ),

    placed as (
        select
            facts.created_at,
            facts.event_type,
            core.quarter_of(facts.created_at) as began_at
        from facts
    )

    select
        quarter_at,
        event_type,
        event_count
    from core.event_quarter_hours
    where
        with_bots
        and viewer is null
        and quarter_at >= core.first_whole_quarter(from_at)
        and quarter_at < core.end_of_whole_quarter_hours(from_at, to_at)
    union all
    select
        case
            when placed.created_at >= changes.changed_at then changes.changed_at
            else placed.began_at
        end as quarter_at,
        placed.event_type,
        count(*) as event_count
    from placed
    left join core.clock_changes as changes on placed.began_at = changes.began_at
    group by quarter_at, placed.event_type;
