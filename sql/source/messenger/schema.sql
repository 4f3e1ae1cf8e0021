-- The messenger's tables in PostgreSQL, run once on an empty database.
--
-- This is the shape the analytics expect of a source; the sandbox and the tests
-- create it. A real messenger brings its own tables: then this file documents
-- which columns are read.
--
-- * Times are timestamptz. A creating time is always known; updated_at,
--   deleted_at and left_at are null until it happens.
-- * Deletion is soft: deleted_at is set and the row stays.
-- * There are no foreign keys: the messenger writes without them, so rows may
--   arrive in any order and references may dangle for a while.
-- * conversation_participants holds one row per person and conversation. Who
--   comes back gets a new joined_at and a null left_at.
-- * messages.sender_id is null where the messenger itself speaks.
-- * analytics_events may lack a user, a conversation or both.

create table users (
    id bigint not null,
    username text,
    is_bot boolean not null default false,
    created_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint users_pkey primary key (id)
);

create table conversations (
    id uuid not null,
    type text not null,
    title text,
    created_at timestamptz not null default now(),
    constraint conversations_pkey primary key (id)
);

create table conversation_participants (
    conversation_id uuid not null,
    user_id bigint not null,
    role text not null default 'member',
    joined_at timestamptz not null default now(),
    left_at timestamptz,
    constraint conversation_participants_pkey primary key (conversation_id, user_id)
);

create table messages (
    id uuid not null,
    conversation_id uuid not null,
    sender_id bigint,
    message_type text not null default 'text',
    content text,
    created_at timestamptz not null default now(),
    updated_at timestamptz,
    deleted_at timestamptz,
    constraint messages_pkey primary key (id)
);

create index idx_messages_conversation_created on messages (conversation_id, created_at);

create index idx_messages_sender on messages (sender_id);

create index idx_messages_not_deleted on messages (created_at) where deleted_at is null;

create table message_read_receipts (
    message_id uuid not null,
    user_id bigint not null,
    read_at timestamptz not null default now(),
    constraint message_read_receipts_pkey primary key (message_id, user_id)
);

create table analytics_events (
    id uuid not null,
    event_type text not null,
    user_id bigint,
    conversation_id uuid,
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now(),
    constraint analytics_events_pkey primary key (id)
);

-- Optional: without it, reactions are empty.
create table message_reactions (
    message_id uuid not null,
    user_id bigint not null,
    emoji text not null,
    created_at timestamptz not null default now(),
    constraint message_reactions_pkey primary key (message_id, user_id, emoji)
);
