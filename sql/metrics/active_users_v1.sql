-- active_users_v1: How many people wrote, how many read, how many did one or the other.
-- grain: one row
-- scope: the period [since, until), UTC; until is data_through unless given
-- active_users wrote at least one message that is neither deleted nor a system message; active_readers
-- read at least one message, whatever became of it.
create or replace macro metrics.active_users_v1(
    since timestamp,
    until timestamp := null,
    visible_to := null,
    include_bots := true
) as table
    with active as (
        select
            found.sender_key as user_key,
            true as is_writer
        from
            core.message_window(
                since, coalesce(until, core.data_through()), null, null, visible_to, include_bots
            ) as found
        where not found.is_system
        union all
        select
            found.user_key,
            false as is_writer
        from core.read_window(
            since, coalesce(until, core.data_through()), null, null, visible_to, include_bots
        ) as found
    ),

    answer as (
        select
            count(distinct active.user_key) filter (where active.is_writer) as active_users,
            count(distinct active.user_key) filter (where not active.is_writer) as active_readers,
            count(distinct active.user_key) as active_any
        from active
    )

    select *
    from answer
    union all by name
    select null as active_users
    from core.refused(core.is_window(since, coalesce(until, core.data_through())));
