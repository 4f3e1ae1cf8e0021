-- top_senders_v1: Who wrote the most messages.
-- grain: one row per person who wrote, the most messages first, then by user_id; at most top_n
-- scope: the period [since, until), UTC; until is data_through unless given
-- Deleted and system messages are not counted. username is null for people who are deleted or unknown.
-- for_type is a type of conversation, such as group; null = all, those of no type included. For a viewer,
-- people who are present now in none of the viewer's conversations, or not in the one asked for, are left out.
create or replace macro metrics.top_senders_v1(
    since timestamp,
    until timestamp := null,
    for_conversation := null,
    for_type := null,
    top_n := 10,
    visible_to := null,
    include_bots := true
) as table
    with written as (
        select
            found.user_key,
            sum(found.message_count) as message_count
        from
            core.writer_rows(
                since := since,
                until := until,
                for_conversation := for_conversation,
                for_type := for_type,
                visible_to := visible_to
            ) as found
        anti join core.bots_left_out(include_bots) as bots on found.user_key = bots.user_key
        group by found.user_key
    ),

    named as (
        select everybody.*
        from written as everybody
        where visible_to is null
        union all
        select seen.*
        from written as seen
        semi join core.people_present(for_conversation := for_conversation, visible_to := visible_to) as present
            on seen.user_key = present.user_key
        where visible_to is not null
    )

    select
        users.user_id,
        case when users.deleted_at is null then users.username end as username,
        cast(named.message_count as bigint) as message_count
    from named
    inner join core.dim_users as users on named.user_key = users.user_key
    order by named.message_count desc, users.user_id
    limit top_n;
