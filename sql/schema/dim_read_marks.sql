-- core.dim_read_marks: Up to where each member has read, for messengers that keep a mark and no receipts.
-- grain: one row per conversation and user
-- Empty, which is not 0, where the source has none: core.is_available('read_marks') tells.
create table core.dim_read_marks (
    conversation_key integer, -- the conversation: core.dim_conversations.conversation_key; null = none or unknown
    user_key integer, -- the member: core.dim_users.user_key
    read_through_at timestamp, -- messages up to this time are read, UTC; null = none is
    marked_at timestamp -- when the mark was set, UTC; null = unknown
);
