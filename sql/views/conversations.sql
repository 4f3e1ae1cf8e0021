-- conversations: Conversations, as the source has them now.
-- grain: one row per conversation of the source
create or replace view main.conversations as
select
    conversation_id,
    conversation_type as type,
    title,
    created_at
from core.conversations
where in_source;

comment on view main.conversations is 'Conversations, as the source has them now. Grain: one row per conversation of the source.';
comment on column main.conversations.conversation_id is 'id at the source';
comment on column main.conversations.type is 'direct, group or channel';
comment on column main.conversations.title is 'title';
comment on column main.conversations.created_at is 'created, UTC';
