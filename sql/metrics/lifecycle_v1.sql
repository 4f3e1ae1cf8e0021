-- lifecycle_v1: How many people came for the first time, stayed, returned or left, in each local day, week or month.
-- grain: one row per bucket that the period meets, oldest first
-- scope: the period from the start of its first bucket to until, UTC; new_people: all time before until
-- needs: read_receipts for active_people, new_people, stayed_people, returned_people and left_people
-- A person is active as in active_timeline_v1, and buckets are those of it. Of the active people, new_people are
-- active for the first time ever, stayed_people were active in the bucket before too, and returned_people earlier
-- only: the three add up to active_people. left_people were active in the bucket before and are not in this one; null
-- where the bucket is partial, as they may still come. All but active_people are null up to the bucket in which the
-- first UTC day with data begins, for a viewer the first one with activity in the viewer's conversations: there
-- everybody would be new. Deleted accounts count. For a viewer all of this, the first time too, is about what
-- happened in the viewer's conversations.
create or replace macro metrics.lifecycle_v1(
    since timestamp,
    until timestamp := null,
    every := 'daily',
    tz := 'UTC',
    visible_to := null,
    include_bots := true
) as table
    with numbered as (
        select *
        from
            core.numbered_buckets(
                since := core.two_buckets_before(instant := since, every := every),
                until := until,
                every := every,
                tz := tz
            )
    ),

    sets as (
        select *
        from
            core.activity_sets(
                buckets := numbered,
                since := core.two_buckets_before(instant := since, every := every),
                until := until,
                visible_to := visible_to,
                include_bots := include_bots
            )
    ),

    asked as (
        select
            number,
            bucket_at,
            next_at > core.end_of(until) as is_partial,
            coalesce(
                bucket_at > core.covered_from(until := until, visible_to := visible_to), false
            ) as is_known
        from numbered
        where next_at > since and since < core.end_of(until)
    ),

    arrived as (
        select
            newcomers.number,
            sum(bit_count(newcomers.arrived)) as new_people
        from
            core.newcomers(
                buckets := numbered, until := until, visible_to := visible_to, include_bots := include_bots
            ) as newcomers
        group by newcomers.number
    ),

    active as (
        select
            number,
            sum(bit_count(active)) as active_people
        from sets
        group by number
    ),

    stayed as (
        select
            sets.number,
            sum(bit_count(sets.active & earlier.active)) as stayed_people
        from sets
        inner join sets as earlier on sets.number - 1 = earlier.number and sets.part = earlier.part
        group by sets.number
    ),

    people as (
        select
            asked.*,
            coalesce(active.active_people, 0) as active_people,
            coalesce(earlier.active_people, 0) as active_before,
            coalesce(stayed.stayed_people, 0) as stayed_people,
            coalesce(arrived.new_people, 0) as new_people
        from asked
        left join active on asked.number = active.number
        left join active as earlier on asked.number - 1 = earlier.number
        left join stayed on asked.number = stayed.number
        left join arrived on asked.number = arrived.number
    )

    select
        bucket_at as "timestamp",
        case when core.is_available('read_receipts') then cast(active_people as bigint) end as active_people,
        case when core.is_available('read_receipts') and is_known then cast(new_people as bigint) end as new_people,
        case
            when core.is_available('read_receipts') and is_known then cast(stayed_people as bigint)
        end as stayed_people,
        case
            when core.is_available('read_receipts') and is_known
                then cast(active_people - new_people - stayed_people as bigint)
        end as returned_people,
        case
            when core.is_available('read_receipts') and is_known and not is_partial
                then cast(active_before - stayed_people as bigint)
        end as left_people,
        is_partial
    from people
    union all by name
    select
        errors.nothing as "timestamp",
        errors.nothing as active_people,
        errors.nothing as new_people,
        errors.nothing as stayed_people,
        errors.nothing as returned_people,
        errors.nothing as left_people,
        errors.nothing as is_partial
    from
        core.errors_of(
            core.is_period(since := since, until := until) and core.is_interval_of_days(every)
        ) as errors
    order by "timestamp";
