-- core.fact_read_receipts: Who read a message when, ordered by time within a load.
-- grain: one row per message and reader
-- Empty, which is not 0, where the source has none: core.is_available('read_receipts') tells.
create table core.fact_read_receipts (
    read_at timestamp not null, -- time of reading, UTC
    conversation_key integer, -- conversation of the message; null = the message does not exist
    user_key integer, -- the reader: core.dim_users.user_key
    message_created_at timestamp -- time the message was sent, UTC; null = the message does not exist
);
