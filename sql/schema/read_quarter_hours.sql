-- core.read_quarter_hours: Read receipts counted by quarter-hour, whatever became of the message.
-- grain: one row per UTC quarter-hour, conversation_type and is_bot; two where a clock changed within it
-- Empty, which is not 0, where the source has none: core.is_available('read_receipts') tells.
create table core.read_quarter_hours (
    quarter_at timestamp not null, -- start of the quarter-hour, or the change within it (core.clock_changes), UTC
    conversation_type varchar, -- type of the conversation; null = the message does not exist, or unknown
    is_bot boolean not null, -- whether the readers are bots
    read_count integer not null -- messages read
);
