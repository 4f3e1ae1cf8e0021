-- top_senders_v1: Who wrote the most messages.
-- grain: one row per person who wrote, the most messages first, then by user_id; at most top_n
-- scope: the period [since, until), UTC; until is data_through unless given
-- Deleted and system messages are not counted. username is null for people who are deleted or unknown.
-- A viewer is not told the names of people who are present in none of the conversations in scope.
create or replace macro metrics.top_senders_v1(
    since timestamp,
    until timestamp := null,
    for_conversation := null,
    top_n := 10,
    visible_to := null,
    include_bots := true
) as table
    with counted as (
        select
            found.user_key,
            sum(found.message_count) as message_count
        from
            core.writer_window(
                since, coalesce(until, core.data_through()), for_conversation, visible_to, include_bots
            ) as found
        group by found.user_key
    ),

    named as (
        select everybody.*
        from counted as everybody
        where visible_to is null
        union all
        select seen.*
        from counted as seen
        semi join core.people_present(for_conversation, visible_to) as present on seen.user_key = present.user_key
        where visible_to is not null
    ),

    answer as (
        select
            users.user_id,
            case when users.deleted_at is null then users.username end as username,
            cast(named.message_count as bigint) as message_count
        from named
        inner join core.users as users on named.user_key = users.user_key
    )

    select *
    from answer
    union all by name
    select null as user_id
    from core.refused(core.is_window(since, coalesce(until, core.data_through())))
    order by message_count desc, user_id
    limit top_n;
