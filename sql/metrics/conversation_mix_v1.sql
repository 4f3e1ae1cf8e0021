-- conversation_mix_v1: How much is written and read, and by how many, in each type of conversation, over time.
-- grain: one row per bucket that the period meets and type that occurs in it, oldest first
-- scope: the period [since, until), UTC; until is data_through unless given
-- needs: read_receipts for reads and people
-- Buckets are those of message_timeline_v2. Types are in the order direct, group, channel, any other by name, and null:
-- no conversation, or one of unknown type. messages includes system messages and excludes deleted ones: a bucket sums
-- to count of message_timeline_v2. reads are receipts, whatever became of the message, of one's own messages too.
-- people wrote a message that is neither deleted nor a system message, or read one; who did so in two types is one
-- of both, so people of several types do not add up. For a viewer all is of the conversations in which the viewer
-- is present now.
create or replace macro metrics.conversation_mix_v1(
    since timestamp,
    until timestamp := null,
    every := 'daily',
    tz := 'UTC',
    visible_to := null,
    include_bots := true
) as table
    with buckets as (
        select *
        from core.numbered_buckets(since := since, until := until, every := every, tz := tz)
    ),

    sent as (
        select *
        from
            core.message_instants(
                since := since, until := until, by_day := core.are_utc_days(every := every, tz := tz)
            )
    ),

    received as (
        select *
        from
            core.read_instants(
                since := since, until := until, by_day := core.are_utc_days(every := every, tz := tz)
            )
    ),

    in_scope as (
        select
            found.is_read,
            conversations.conversation_type,
            found.instant_at,
            found.row_count
        from (
            select
                false as is_read,
                written.conversation_key,
                written.instant_at,
                written.row_count
            from core.rows_in_scope(rows := sent, visible_to := visible_to, include_bots := include_bots) as written
            union all
            select
                true as is_read,
                seen.conversation_key,
                seen.instant_at,
                seen.row_count
            from core.rows_in_scope(rows := received, visible_to := visible_to, include_bots := include_bots) as seen
        ) as found
        left join core.dim_conversations as conversations on found.conversation_key = conversations.conversation_key
        where visible_to is not null
    ),

    quarter_hours as (
        select
            false as is_read,
            written.conversation_type,
            written.quarter_at,
            written.row_count
        from
            core.message_quarter_rows(
                since := since,
                until := until,
                for_type := null,
                include_bots := include_bots,
                include_system := true
            ) as written
        where visible_to is null
        union all
        select
            true as is_read,
            seen.conversation_type,
            seen.quarter_at,
            seen.row_count
        from core.read_quarter_rows(since := since, until := until, include_bots := include_bots) as seen
        where visible_to is null
        union all
        select
            found.is_read,
            found.conversation_type,
            found.quarter_at,
            found.row_count
        from core.by_quarter_hour(rows := in_scope) as found
        where visible_to is not null
    ),

    people as (
        select
            found.bucket_at,
            found.conversation_type,
            found.user_key
        from
            core.people_by_type(buckets := buckets, since := since, until := until, visible_to := visible_to) as found
        anti join core.bots_left_out(include_bots) as bots on found.user_key = bots.user_key
    ),

    sets as (
        select
            people.bucket_at,
            people.conversation_type,
            core.bits_of_set(people.user_key) as bits
        from people
        where every <> 'hourly'
        group by people.bucket_at, people.conversation_type, core.part_of_set(people.user_key)
    ),

    active as (
        select
            sets.bucket_at,
            sets.conversation_type,
            sum(bit_count(sets.bits)) as people
        from sets
        group by sets.bucket_at, sets.conversation_type
        union all
        -- the sets of many short buckets would be many, and most of their bits 0
        select
            people.bucket_at,
            people.conversation_type,
            count(distinct people.user_key) as people
        from people
        where every = 'hourly'
        group by people.bucket_at, people.conversation_type
    ),

    counted as (
        select
            buckets.bucket_at,
            quarter_hours.conversation_type,
            sum(quarter_hours.row_count) filter (where not quarter_hours.is_read) as messages,
            sum(quarter_hours.row_count) filter (where quarter_hours.is_read) as reads
        from quarter_hours
        asof inner join buckets on quarter_hours.quarter_at >= buckets.bucket_at
        group by buckets.bucket_at, quarter_hours.conversation_type
    ),

    types as (
        select distinct counted.conversation_type
        from counted
    )

    select
        buckets.bucket_at as "timestamp",
        types.conversation_type,
        cast(coalesce(counted.messages, 0) as bigint) as messages,
        case when core.is_available('read_receipts') then cast(coalesce(counted.reads, 0) as bigint) end as reads,
        case when core.is_available('read_receipts') then cast(coalesce(active.people, 0) as bigint) end as people,
        buckets.is_partial
    from buckets
    cross join types
    left join counted
        on
            buckets.bucket_at = counted.bucket_at
            and types.conversation_type is not distinct from counted.conversation_type
    left join active
        on
            buckets.bucket_at = active.bucket_at
            and types.conversation_type is not distinct from active.conversation_type
    order by
        buckets.bucket_at,
        case types.conversation_type when 'direct' then 1 when 'group' then 2 when 'channel' then 3 else 4 end,
        types.conversation_type nulls last;
