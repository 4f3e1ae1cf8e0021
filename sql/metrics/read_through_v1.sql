-- read_through_v1: How many members of each conversation have read its newest message.
-- grain: one row per conversation with a message, the newest message first, then by id; at most top_n
-- scope: now, at data_through
-- needs: read_marks
-- The newest message is the latest that is neither deleted nor a system message. member_count is the number
-- of people present now; read_count is how many of these have a mark at or after the newest message, or
-- wrote it; read_share is read_count in percent of member_count, two decimals. Messages on days that are not
-- kept (core.state has the coverage) are unknown: a conversation that has only these is left out.
create or replace macro metrics.read_through_v1(
    for_conversation := null,
    top_n := 10,
    visible_to := null,
    include_bots := true
) as table
    with ever_sent as (
        select *
        from core.message_rows(since := timestamp '0001-01-01', until := null)
    ),

    written as (
        select
            found.conversation_key,
            found.user_key,
            found.last_at
        from
            core.rows_in_scope(
                rows := ever_sent,
                for_conversation := for_conversation,
                visible_to := visible_to,
                include_bots := include_bots
            ) as found
        where not found.is_system
    ),

    newest as (
        select
            written.conversation_key,
            max(written.last_at) as sent_at
        from written
        group by written.conversation_key
        union all by name
        select errors.nothing as conversation_key
        from core.errors_of(core.is_there('read_marks')) as errors
    ),

    ranked as (
        select
            conversations.*,
            newest.sent_at
        from newest
        inner join core.dim_conversations as conversations on newest.conversation_key = conversations.conversation_key
        order by newest.sent_at desc, conversations.conversation_id
        limit top_n
    ),

    writers as (
        select distinct
            written.conversation_key,
            written.user_key
        from written
        inner join ranked
            on written.conversation_key = ranked.conversation_key and written.last_at = ranked.sent_at
    ),

    members as (
        select
            participants.conversation_key,
            count(*) as member_count,
            count(*) filter (
                where marks.read_through_at >= ranked.sent_at or writers.user_key is not null
            ) as read_count
        from core.dim_participants as participants
        inner join ranked on participants.conversation_key = ranked.conversation_key
        left join core.dim_read_marks as marks
            on participants.conversation_key = marks.conversation_key and participants.user_key = marks.user_key
        left join writers
            on participants.conversation_key = writers.conversation_key and participants.user_key = writers.user_key
        anti join core.bots_left_out(include_bots) as bots on participants.user_key = bots.user_key
        where
            core.is_present(
                joined := participants.joined_at, gone := participants.left_at, instant := core.data_through()
            )
        group by participants.conversation_key
    )

    select
        ranked.conversation_id,
        ranked.conversation_type as type,
        ranked.title,
        coalesce(members.member_count, 0) as member_count,
        coalesce(members.read_count, 0) as read_count,
        core.percent_of(
            part := coalesce(members.read_count, 0), whole := coalesce(members.member_count, 0)
        ) as read_share,
        ranked.sent_at as newest_message_at
    from ranked
    left join members on ranked.conversation_key = members.conversation_key
    order by ranked.sent_at desc, ranked.conversation_id;
