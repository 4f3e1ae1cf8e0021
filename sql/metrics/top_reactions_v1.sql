-- top_reactions_v1: Which emoji people reacted with the most.
-- grain: one row per emoji, the most used first, then by people, then by emoji; at most top_n
-- scope: the period [since, until), UTC, by the time of the reaction; until is data_through unless given
-- needs: reactions
-- reaction_count is the number of reactions that have not been taken back, people_count the number of
-- people who gave them; reactions to deleted messages are counted.
create or replace macro metrics.top_reactions_v1(
    since timestamp,
    until timestamp := null,
    for_conversation := null,
    for_user := null,
    top_n := 10,
    visible_to := null,
    include_bots := true
) as table
    with given as (
        select
            conversation_key,
            user_key,
            emoji
        from core.fact_reactions
        where core.is_in_period(instant := created_at, since := since, until := until)
        union all by name
        select errors.nothing as conversation_key
        from core.errors_of(core.is_period(since := since, until := until) and core.is_there('reactions')) as errors
    )

    select
        found.emoji,
        count(*) as reaction_count,
        count(distinct found.user_key) as people_count
    from
        core.rows_in_scope(
            rows := given,
            visible_to := visible_to,
            include_bots := include_bots,
            for_conversation := for_conversation,
            for_user := for_user
        ) as found
    group by found.emoji
    order by reaction_count desc, people_count desc, found.emoji
    limit top_n;
