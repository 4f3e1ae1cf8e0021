-- core.read_days: Read receipts counted by day, conversation and reader, whatever became of the message.
-- grain: one row per UTC day, conversation and reader
-- A message is the reader's own if the reader sent one in that conversation at that instant.
-- Empty, which is not 0, where the source has none: core.is_available('read_receipts') tells.
create table core.read_days (
    day date, -- UTC day
    conversation_key integer, -- conversation of the messages; null = the messages do not exist
    user_key integer, -- the reader: core.dim_users.user_key
    read_count integer not null, -- messages read
    own_read_count integer not null, -- of these, messages that the reader sent
    first_at timestamp not null, -- time of the first read, UTC
    last_at timestamp not null -- time of the last read, UTC
);
