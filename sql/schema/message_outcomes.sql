-- core.message_outcomes: What became of what people wrote: whom it replied to how fast, when it was answered and read.
-- grain: one row per conversation, instant and sender
-- Messages of people only: neither deleted nor system messages, in a conversation, by a sender who is no bot.
-- Messages of one sender in one conversation in the same microsecond are one row. A message is a reply if
-- somebody else wrote at the latest earlier instant of the conversation, less than 24 hours before; it is
-- answered at the first later instant at which somebody else writes. Pauses are whole seconds, rounded down,
-- and less than 24 hours; longer ones are null.
-- A receipt tells conversation and instant of its message: of several messages at one instant, it reads them all.
create table core.message_outcomes (
    created_at timestamp not null, -- time of sending, UTC
    conversation_key integer not null, -- the conversation: core.dim_conversations.conversation_key
    sender_key integer not null, -- the sender: core.dim_users.user_key
    conversation_type varchar, -- type of the conversation; null = unknown
    reply_seconds integer, -- pause before it, if it is a reply; null = it is none
    answer_seconds integer, -- pause until somebody else wrote; null = nobody within 24 hours
    read_seconds integer -- pause until somebody else, no bot, read it; null = nobody within 24 hours
);
