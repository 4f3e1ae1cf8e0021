-- The tables of an invented messenger, as Prisma or Rails would create them: what "Your messenger in thirty
-- minutes" in etl/README.md maps, and what the mapping in this folder reads.
--
-- * Names are in mixed case, so SQL must quote them, and the tables are in the schema `app`.
-- * Ids are texts (cuid). Times are milliseconds since 1970, or timestamps without a zone, in UTC.
-- * A deleted message is marked by "isDeleted"; when that happened is only in "updatedAt".
-- * Who is in a room is an array, and up to when each of them has read is a JSON object.

create schema app;

create type app."MessageKind" as enum ('TEXT', 'IMAGE', 'FILE', 'SYSTEM');

create table app."User" (
    id text not null,
    "displayName" text,
    "isBot" boolean not null default false,
    "createdAt" timestamp(3) not null default current_timestamp,
    "deletedAt" timestamp(3),
    constraint "User_pkey" primary key (id)
);

create table app."Room" (
    id text not null,
    name text,
    "isGroup" boolean not null,
    "memberIds" text[] not null,
    "lastReadAt" jsonb not null default '{}',  -- {user id: milliseconds}
    "createdAt" timestamp(3) not null default current_timestamp,
    constraint "Room_pkey" primary key (id)
);

create table app."Message" (
    id text not null,
    "roomId" text not null,
    "authorId" text,
    kind app."MessageKind" not null default 'TEXT',
    body text,
    "sentAtMs" bigint not null,
    "editedAtMs" bigint,
    "isDeleted" boolean not null default false,
    "updatedAt" timestamp(3) not null,
    constraint "Message_pkey" primary key (id)
) partition by hash (id);

create table app."Message_0" partition of app."Message" for values with (modulus 2, remainder 0);

create table app."Message_1" partition of app."Message" for values with (modulus 2, remainder 1);

create table app."Reaction" (
    "messageId" text not null,
    "userId" text not null,
    emoji text not null,
    "createdAt" timestamp(3) not null default current_timestamp,
    constraint "Reaction_pkey" primary key ("messageId", "userId", emoji)
);
