-- Quarter-hours: every offset of a time zone in use is a multiple of 15 minutes, so the buckets of any
-- zone are sums of UTC quarter-hours. Where the clocks of a zone changed within a quarter-hour, it has
-- two parts, cut at that instant (core.clock_changes).

-- by_quarter_hour: the given rows added up by quarter-hour, or part of one.
-- grain: one row per quarter-hour or part, and combination of the rows' other columns
-- rows names a table or CTE with the columns instant_at and row_count.
create or replace macro core.by_quarter_hour(rows) as table
    select
        placed.* exclude (instant_at, began_at, row_count),
        case
            when placed.instant_at >= changes.changed_at then changes.changed_at
            else placed.began_at
        end as quarter_at,
        sum(placed.row_count) as row_count
    from (
        select
            *,
            core.quarter_hour_of(instant_at) as began_at
        from query_table(rows)
    ) as placed
    left join core.clock_changes as changes on placed.began_at = changes.began_at
    group by all;

-- message_quarter_rows: messages of a period that are not deleted, of the whole site, by type of conversation
-- and quarter-hour.
-- grain: one row per quarter-hour, or part of one, conversation_type, is_system and is_bot; and one per message
-- of the ragged ends
create or replace macro core.message_quarter_rows(since, until, for_type, include_bots, include_system) as table
    with ragged as (
        select
            messages.created_at as quarter_at,
            messages.conversation_key,
            messages.sender_key as user_key
        from core.fact_messages as messages
        where
            core.is_in_ragged_quarter_hour(instant := messages.created_at, since := since, until := until)
            and messages.deleted_at is null
            and (include_system or messages.message_type is distinct from 'system')
    )

    select
        whole.quarter_at,
        whole.conversation_type,
        whole.message_count as row_count
    from core.message_quarter_hours as whole
    where
        core.is_in_whole_quarter_hour(instant := whole.quarter_at, since := since, until := until)
        and (include_bots or not whole.is_bot)
        and (include_system or not whole.is_system)
        and (for_type is null or whole.conversation_type = for_type)
    union all
    select
        found.quarter_at,
        conversations.conversation_type,
        1 as row_count
    from
        core.rows_in_scope(
            rows := ragged, visible_to := null, include_bots := include_bots, for_type := for_type
        ) as found
    left join core.dim_conversations as conversations on found.conversation_key = conversations.conversation_key;

-- read_quarter_rows: all read receipts of a period, of the whole site, by type of conversation and quarter-hour.
-- grain: one row per quarter-hour, or part of one, conversation_type and is_bot, and one per read of the ragged ends
create or replace macro core.read_quarter_rows(since, until, include_bots) as table
    select
        whole.quarter_at,
        whole.conversation_type,
        whole.read_count as row_count
    from core.read_quarter_hours as whole
    where
        core.is_in_whole_quarter_hour(instant := whole.quarter_at, since := since, until := until)
        and (include_bots or not whole.is_bot)
    union all
    select
        ragged.read_at as quarter_at,
        conversations.conversation_type,
        1 as row_count
    from core.fact_read_receipts as ragged
    left join core.dim_conversations as conversations on ragged.conversation_key = conversations.conversation_key
    anti join core.bots_left_out(include_bots) as bots on ragged.user_key = bots.user_key
    where core.is_in_ragged_quarter_hour(instant := ragged.read_at, since := since, until := until);

-- event_quarter_rows: all events of a period, by type and quarter-hour.
-- grain: one row per event type and quarter-hour, or part of one, and one per event of the ragged ends
create or replace macro core.event_quarter_rows(since, until) as table
    select
        event_type,
        quarter_at,
        event_count as row_count
    from core.event_quarter_hours
    where core.is_in_whole_quarter_hour(instant := quarter_at, since := since, until := until)
    union all
    select
        event_type,
        created_at as quarter_at,
        1 as row_count
    from core.fact_events
    where core.is_in_ragged_quarter_hour(instant := created_at, since := since, until := until);
