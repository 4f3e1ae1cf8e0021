-- The messenger's tables under other names and types, run once on an empty database.
--
-- Everything that can differ from sql/source/messenger/schema.sql without a loss does: another
-- schema, mixed-case names with a space and a dot, ids of text, a boolean that says the opposite,
-- and times as milliseconds since 1970. `numeric` keeps the microseconds as fractions, and both
-- infinities (PostgreSQL 14 and later).

create schema "Chat App";

create table "Chat App"."User" (
    id text primary key,
    "displayName" text,
    "isHuman" boolean not null default true,
    "createdAt" numeric not null,
    "deletedAt" numeric,
    -- No SELECT reads it; its name is no regular expression.
    "Notes (internal" text
);

create table "Chat App"."Room" (
    id text primary key,
    kind text not null,
    name text,
    "createdAt" numeric not null
);

create table "Chat App"."RoomMember" (
    "roomId" text not null,
    "userId" text not null,
    role text not null default 'member',
    "joinedAt" numeric not null,
    "leftAt" numeric,
    primary key ("roomId", "userId")
);

create table "Chat App"."Message" (
    id text primary key,
    "roomId" text not null,
    "from" text,
    kind text not null default 'text',
    body text,
    "createdAt" numeric not null,
    "editedAt" numeric,
    "deletedAt" numeric
);

create table "Chat App"."Read.Receipt" (
    "messageId" text not null,
    "userId" text not null,
    "readAt" numeric not null,
    primary key ("messageId", "userId")
);

create table "Chat App"."Event" (
    id text primary key,
    name text not null,
    "userId" text,
    "roomId" text,
    payload jsonb not null default '{}',
    at numeric not null
);

create table "Chat App"."Reaction" (
    "messageId" text not null,
    "userId" text not null,
    emoji text not null,
    at numeric not null,
    primary key ("messageId", "userId", "emoji")
);
