-- response_matrix_v1: Who replies to whom in one conversation, how often, and how fast.
-- grain: one row per pair of people with a reply, the most replies first, then by their ids; at most top_n
-- scope: the period [since, until), UTC; until is data_through unless given
-- from_user_id replies to to_user_id. A reply is one of reply_times_v1, and goes to everybody else who wrote at the
-- latest earlier instant, so where several wrote at that instant it is in several rows. half_seconds is the pause
-- that half of the replies of the pair do not exceed, in whole seconds, rounded down. A conversation in which
-- fewer than five people are present now, bots and deleted accounts aside, has no rows; neither has one that does
-- not exist or may not be seen. A username is null for people who are deleted or unknown. For a viewer, pairs with
-- somebody who is not present now are left out.
create or replace macro metrics.response_matrix_v1(
    for_conversation,
    since timestamp,
    until timestamp := null,
    top_n := 100,
    visible_to := null
) as table
    with conversation as (
        select shown.conversation_key
        from core.conversations_of_five(visible_to) as shown
        semi join
            core.conversations_in_scope(for_conversation := for_conversation, visible_to := visible_to) as scope
            on shown.conversation_key = scope.conversation_key
        where for_conversation is not null
    ),

    said as (
        select distinct
            messages.created_at,
            messages.sender_key
        from core.fact_messages as messages
        semi join conversation on messages.conversation_key = conversation.conversation_key
        anti join core.bots_left_out(false) as bots on messages.sender_key = bots.user_key
        where
            -- what the first replies of the period reply to
            core.is_in_period(instant := messages.created_at, since := since - interval 24 hours, until := until)
            and messages.deleted_at is null
            and messages.message_type is distinct from 'system'
            and messages.sender_key is not null
    ),

    instants as (
        select
            said.created_at,
            lag(said.created_at) over (order by said.created_at) as before_at
        from said
        group by said.created_at
    ),

    replies as (
        select
            said.sender_key as from_key,
            earlier.sender_key as to_key,
            epoch_us(said.created_at - earlier.created_at) // 1000000 as seconds
        from said
        inner join instants on said.created_at = instants.created_at
        inner join said as earlier
            on instants.before_at = earlier.created_at and said.sender_key <> earlier.sender_key
        where said.created_at >= since and said.created_at - earlier.created_at < interval 24 hours
    ),

    named as (
        select everybody.*
        from replies as everybody
        where visible_to is null
        union all
        select seen.*
        from replies as seen
        semi join core.people_present(for_conversation := for_conversation, visible_to := visible_to) as senders
            on seen.from_key = senders.user_key
        semi join core.people_present(for_conversation := for_conversation, visible_to := visible_to) as others
            on seen.to_key = others.user_key
        where visible_to is not null
    ),

    pairs as (
        select
            named.from_key,
            named.to_key,
            count(*) as reply_count,
            quantile_disc(named.seconds, 0.5) as half_seconds
        from named
        group by named.from_key, named.to_key
        union all by name
        select errors.nothing as from_key
        from core.period_errors(since := since, until := until) as errors
    )

    select
        senders.user_id as from_user_id,
        case when senders.deleted_at is null then senders.username end as from_username,
        others.user_id as to_user_id,
        case when others.deleted_at is null then others.username end as to_username,
        pairs.reply_count as replies,
        pairs.half_seconds
    from pairs
    inner join core.dim_users as senders on pairs.from_key = senders.user_key
    inner join core.dim_users as others on pairs.to_key = others.user_key
    order by pairs.reply_count desc, senders.user_id, others.user_id
    limit top_n;
