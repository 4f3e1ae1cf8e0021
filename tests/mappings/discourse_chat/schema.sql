-- The columns of Discourse and its chat that the mapping reads, with 50 users, 20 channels and 2,000 messages.

create table users (
    id integer primary key,
    username varchar(60),
    created_at timestamp not null
);

create table categories (
    id serial primary key,
    name varchar(50) not null
);

create table chat_channels (
    id bigserial primary key,
    chatable_id bigint not null,
    chatable_type varchar not null,
    name varchar,
    created_at timestamp not null
);

create table direct_message_channels (
    id bigserial primary key,
    "group" boolean default false
);

create table direct_message_users (
    id bigserial primary key,
    direct_message_channel_id bigint not null,
    user_id integer not null,
    unique (direct_message_channel_id, user_id)
);

create table user_chat_channel_memberships (
    id bigserial primary key,
    user_id integer not null,
    chat_channel_id integer not null,
    last_read_message_id integer,
    following boolean not null default false,
    last_viewed_at timestamp not null,
    created_at timestamp not null,
    updated_at timestamp not null,
    unique (user_id, chat_channel_id)
);

create table chat_messages (
    id bigserial primary key,
    chat_channel_id integer not null,
    user_id integer,
    created_at timestamp not null,
    updated_at timestamp not null,
    deleted_at timestamp,
    message text
);

create table chat_message_revisions (
    id bigserial primary key,
    chat_message_id integer,
    created_at timestamp not null
);

create index index_chat_message_revisions_on_chat_message_id on chat_message_revisions (chat_message_id);

create table uploads (
    id serial primary key,
    extension varchar(10)
);

create table upload_references (
    id bigserial primary key,
    upload_id bigint not null,
    target_type varchar not null,
    target_id bigint not null
);

create index index_upload_references_on_target on upload_references (target_type, target_id);

create table chat_message_reactions (
    id bigserial primary key,
    chat_message_id integer,
    user_id integer,
    emoji varchar,
    created_at timestamp not null
);

create unique index chat_message_reactions_index on chat_message_reactions (chat_message_id, user_id, emoji);

insert into users
select
    n - 2,
    'user ' || n,
    '2026-01-01'
from generate_series(1, 50) as n
where n <> 2;

insert into categories
select
    n,
    'Category ' || n
from generate_series(1, 20) as n;

-- Odd channels are of categories, even ones direct messages, every fourth of a group.
insert into direct_message_channels
select
    n,
    n % 4 = 0
from generate_series(1, 20) as n;

insert into chat_channels
select
    n,
    n,
    case when n % 2 = 0 then 'DirectMessage' else 'Category' end,
    case when n % 3 = 0 then 'Channel ' || n end,
    '2026-01-01'
from generate_series(1, 20) as n;

insert into user_chat_channel_memberships
(user_id, chat_channel_id, last_read_message_id, following, last_viewed_at, created_at, updated_at)
select
    u,
    c,
    100 * c,
    (u + c) % 2 = 0,
    '2026-02-10',
    '2026-01-02',
    '2026-01-03'
from generate_series(1, 48) as u
cross join generate_series(1, 20) as c
where (u + c) % 3 = 0;

insert into direct_message_users (direct_message_channel_id, user_id)
select
    chat_channel_id,
    user_id
from user_chat_channel_memberships
where chat_channel_id % 2 = 0;

insert into chat_messages (id, chat_channel_id, user_id, created_at, updated_at, message)
select
    n,
    1 + n % 20,
    case when n % 100 = 0 then -1 else 1 + n % 48 end,
    timestamp '2026-02-01' + n * interval '1 minute',
    '2026-02-20',
    repeat('w', n % 70)
from generate_series(1, 2000) as n;

insert into uploads values (1, 'PNG'), (2, 'pdf');

insert into upload_references (upload_id, target_type, target_id)
select
    1 + n % 2,
    case when n % 3 = 0 then 'ChatMessage' else 'Chat::Message' end,
    n * 10 + 1
from generate_series(1, 60) as n;

insert into upload_references (upload_id, target_type, target_id) values (1, 'Post', 55);

insert into chat_message_reactions (chat_message_id, user_id, emoji, created_at)
select
    n,
    3,
    'heart',
    timestamp '2026-02-01' + n * interval '2 minutes'
from generate_series(1, 500) as n;
