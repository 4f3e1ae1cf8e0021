-- metrics.conversation_totals: Each conversation: who takes part, how much is written, since when.
-- grain: one row per conversation of the source
-- The numbers are those of metrics.conversation_stats_v1, of all time.
create or replace view metrics.conversation_totals as
with sent as (
    select *
    from core.message_rows(since := timestamp '0001-01-01', until := null)
),

totals as (
    select
        sent.conversation_key,
        sum(sent.message_count) as message_count,
        min(sent.first_at) as first_at,
        max(sent.last_at) as last_at
    from sent
    group by sent.conversation_key
),

people as (
    select
        participants.conversation_key,
        count(*) as participant_count
    from core.dim_participants as participants
    where
        core.is_present(
            joined := participants.joined_at, gone := participants.left_at, instant := core.data_through()
        )
    group by participants.conversation_key
)

select
    conversations.conversation_id, -- id at the source
    conversations.conversation_type as type, -- direct, group or channel
    conversations.title, -- title
    conversations.created_at, -- time of creation, UTC
    coalesce(people.participant_count, 0) as participant_count, -- people present
    cast(coalesce(totals.message_count, 0) as bigint) as message_count, -- messages that are not deleted
    totals.first_at as first_message_at, -- time of the first of these, UTC; null = none
    totals.last_at as last_message_at, -- time of the last of these, UTC; null = none
    core.with_zone(conversations.created_at) as created_at_tz, -- created_at with its zone
    core.with_zone(totals.first_at) as first_message_at_tz, -- first_message_at with its zone
    core.with_zone(totals.last_at) as last_message_at_tz -- last_message_at with its zone
from core.dim_conversations as conversations
left join totals on conversations.conversation_key = totals.conversation_key
left join people on conversations.conversation_key = people.conversation_key
where conversations.in_source and coalesce(conversations.created_at < core.data_through(), true);
