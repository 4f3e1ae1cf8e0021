-- main.reactions: Reactions to messages by external ids.
-- grain: one row per message, user and emoji
-- An error where the source has none: core.is_available('reactions') tells.
create or replace view main.reactions as
select
    reactions.created_at, -- time of the reaction, UTC
    conversations.conversation_id, -- the message's conversation
    users.user_id, -- who reacted
    reactions.emoji, -- the emoji, or the name of a custom one
    reactions.message_created_at, -- time of sending of the message, UTC; null = no such message
    core.with_zone(reactions.created_at) as created_at_tz, -- created_at with its zone
    core.with_zone(reactions.message_created_at) as message_created_at_tz -- with its zone
from core.fact_reactions as reactions
left join core.dim_conversations as conversations using (conversation_key)
left join core.dim_users as users using (user_key)
union all
select
    core.refusal('reactions') as created_at,
    core.refusal('reactions') as conversation_id,
    core.refusal('reactions') as user_id,
    core.refusal('reactions') as emoji,
    core.refusal('reactions') as message_created_at,
    core.refusal('reactions') as created_at_tz,
    core.refusal('reactions') as message_created_at_tz
where not core.is_available('reactions');
