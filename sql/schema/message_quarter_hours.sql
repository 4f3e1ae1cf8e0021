-- core.message_quarter_hours: Messages that are not deleted, counted by quarter-hour.
-- grain: one row per UTC quarter-hour, conversation_type, is_system and is_bot; two where a clock changed within it
-- A timeline in any time zone is a sum of these rows: every offset in use is a multiple of 15 minutes, and
-- a quarter-hour in which the clocks of some zone changed has two rows.
create table core.message_quarter_hours (
    quarter_at timestamp not null, -- start of the quarter-hour, or the change within it (core.clock_changes), UTC
    conversation_type varchar, -- type of the conversation; null = none or unknown
    is_system boolean not null, -- whether these are system messages
    is_bot boolean not null, -- whether the senders are bots
    message_count integer not null -- messages
);
