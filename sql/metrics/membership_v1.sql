-- membership_v1: How many accounts and memberships there are, and how many come and go, over time.
-- grain: one row per bucket that the period meets, oldest first
-- scope: the period [since, until), UTC; until is data_through unless given; what is there: all time before
-- Buckets are those of message_timeline_v2, but never hourly. accounts is the number of accounts at the end of the
-- bucket or at until, whichever is earlier: created before (or at an unknown time) and not deleted before; joined and
-- deleted are how many were created and deleted in the bucket and the period. memberships, memberships_joined and
-- memberships_left are the same of memberships, one person in one conversation each. All are as the messenger knows
-- them now: accounts whose rows are gone are unknown, and who leaves a conversation and comes back has one membership
-- with the later time of joining, so memberships of the past are a lower bound. What was deleted, or left, before it
-- began is not counted. For a viewer accounts, joined and deleted are null, and the memberships are those of the
-- conversations in which the viewer is present now.
create or replace macro metrics.membership_v1(
    since timestamp,
    until timestamp := null,
    every := 'daily',
    tz := 'UTC',
    visible_to := null,
    include_bots := true
) as table
    with buckets as (
        select *
        from core.buckets(since := since, until := until, every := every, tz := tz)
    ),

    spans as (
        select
            true as is_account,
            users.created_at as from_at,
            users.deleted_at as to_at
        from core.dim_users as users
        anti join core.bots_left_out(include_bots) as bots on users.user_key = bots.user_key
        where visible_to is null and users.in_source and coalesce(users.deleted_at >= users.created_at, true)
        union all
        select
            false as is_account,
            members.joined_at as from_at,
            members.left_at as to_at
        from core.memberships(visible_to) as members
        anti join core.bots_left_out(include_bots) as bots on members.user_key = bots.user_key
        where coalesce(members.left_at >= members.joined_at, true)
    ),

    there_before as (
        select
            count(*) filter (where is_account) as accounts,
            count(*) filter (where not is_account) as memberships
        from spans
        where core.is_present(joined := from_at, gone := to_at, instant := since)
    ),

    changes as (
        select
            spans.is_account,
            true as is_begin,
            spans.from_at as instant_at,
            1 as row_count
        from spans
        where core.is_in_period(instant := spans.from_at, since := since, until := until)
        union all
        select
            spans.is_account,
            false as is_begin,
            spans.to_at as instant_at,
            1 as row_count
        from spans
        where core.is_in_period(instant := spans.to_at, since := since, until := until)
    ),

    counted as (
        select
            buckets.bucket_at,
            sum(found.row_count) filter (where found.is_account and found.is_begin) as joined,
            sum(found.row_count) filter (where found.is_account and not found.is_begin) as deleted,
            sum(found.row_count) filter (where not found.is_account and found.is_begin) as memberships_joined,
            sum(found.row_count) filter (where not found.is_account and not found.is_begin) as memberships_left
        from core.by_quarter_hour(rows := changes) as found
        asof inner join buckets on found.quarter_at >= buckets.bucket_at
        group by buckets.bucket_at
        union all by name
        select errors.nothing as bucket_at
        from core.errors_of(core.is_interval_of_days(every)) as errors
    ),

    filled as (
        select
            buckets.bucket_at,
            buckets.is_partial,
            coalesce(counted.joined, 0) as joined,
            coalesce(counted.deleted, 0) as deleted,
            coalesce(counted.memberships_joined, 0) as memberships_joined,
            coalesce(counted.memberships_left, 0) as memberships_left
        from buckets
        left join counted on buckets.bucket_at = counted.bucket_at
    )

    select
        filled.bucket_at as "timestamp",
        case
            when visible_to is null
                then cast(there_before.accounts + sum(filled.joined - filled.deleted) over in_time as bigint)
        end as accounts,
        case when visible_to is null then cast(filled.joined as bigint) end as joined,
        case when visible_to is null then cast(filled.deleted as bigint) end as deleted,
        cast(
            there_before.memberships + sum(filled.memberships_joined - filled.memberships_left) over in_time as bigint
        ) as memberships,
        cast(filled.memberships_joined as bigint) as memberships_joined,
        cast(filled.memberships_left as bigint) as memberships_left,
        filled.is_partial
    from filled
    cross join there_before
    window in_time as (order by filled.bucket_at)
    order by filled.bucket_at;
