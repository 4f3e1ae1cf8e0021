-- core.user_type_days: In which quarter-hours of a day somebody wrote or read, by type of conversation.
-- grain: one row per UTC day, user and conversation_type
-- Deleted and system messages do not count. The masks are those of core.user_days, of messages and reads together.
create table core.user_type_days (
    day date, -- UTC day
    user_key integer, -- the user: core.dim_users.user_key
    conversation_type varchar, -- type of the conversation; null = none or unknown
    quarter_hours_low ubigint not null, -- mask of the quarter-hours before noon with a message or a read
    quarter_hours_high ubigint not null -- mask of the quarter-hours from noon with a message or a read
);
