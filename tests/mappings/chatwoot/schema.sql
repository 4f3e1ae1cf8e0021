-- The columns of Chatwoot that the mapping reads, with 10 agents, 100 contacts and 2,000 messages.

create table users (
    id serial primary key,
    name varchar not null,
    created_at timestamp not null
);

create table contacts (
    id serial primary key,
    name varchar,
    created_at timestamp not null
);

create table agent_bots (
    id bigserial primary key,
    name varchar,
    created_at timestamp not null
);

create table captain_assistants (
    id bigserial primary key,
    name varchar not null,
    created_at timestamp not null
);

create table conversations (
    id serial primary key,
    assignee_id integer,
    contact_id bigint,
    display_id integer not null,
    contact_last_seen_at timestamp,
    assignee_last_seen_at timestamp,
    created_at timestamp not null
);

create table conversation_participants (
    id bigserial primary key,
    user_id bigint not null,
    conversation_id bigint not null,
    created_at timestamp not null
);

create unique index index_conversation_participants_on_user_id_and_conversation_id
on conversation_participants (user_id, conversation_id);

create table messages (
    id serial primary key,
    content text,
    conversation_id integer not null,
    message_type integer not null,
    created_at timestamp not null,
    updated_at timestamp not null,
    content_attributes json default '{}',
    sender_type varchar,
    sender_id bigint
);

create table attachments (
    id serial primary key,
    file_type integer default 0,
    message_id integer not null
);

create index index_attachments_on_message_id on attachments (message_id);

create table reporting_events (
    id bigserial primary key,
    name varchar,
    user_id integer,
    conversation_id integer,
    created_at timestamp not null
);

insert into users
select
    n,
    'Agent ' || n,
    '2026-01-01'
from generate_series(1, 10) as n;

insert into contacts
select
    n,
    'Contact ' || n,
    '2026-01-01'
from generate_series(1, 100) as n;

insert into agent_bots values (1, 'Bot', '2026-01-01');

insert into captain_assistants values (1, 'Captain', '2026-01-01');

insert into conversations
select
    n,
    1 + n % 10,
    1 + n % 100,
    n,
    '2026-02-10',
    null,
    timestamp '2026-01-10' + n * interval '1 hour'
from generate_series(1, 200) as n;

insert into conversation_participants (user_id, conversation_id, created_at)
select
    1 + (n + n % 3) % 10,
    n,
    '2026-01-20'
from generate_series(1, 200) as n;

insert into messages
select
    n,
    repeat('k', n % 60),
    1 + n % 200,
    case when n % 30 = 0 then 2 when n % 31 = 0 then 3 else n % 2 end,
    timestamp '2026-02-01' + n * interval '1 minute',
    '2026-02-20',
    '"{}"',
    case when n % 30 = 0 then null when n % 2 = 0 then 'Contact' when n % 9 = 0 then 'AgentBot' else 'User' end,
    case when n % 30 = 0 then null when n % 2 = 0 then 1 + (1 + n % 200) % 100 when n % 9 = 0 then 1 else 1 + n % 10 end
from generate_series(1, 2000) as n;

-- Attributes that only mention the flag, and text that PostgreSQL cannot decode.
update messages set content_attributes = '"{\"email\":{\"subject\":\"a\\u0000\",\"text\":\"{\\\"deleted\\\":true}\"}}"'
where id = 41;

update messages set content_attributes = '{"in_reply_to": 7, "items": [{"deleted": true}]}'
where id = 42;

insert into attachments (file_type, message_id)
select
    n % 6,
    n * 7
from generate_series(1, 250) as n;

insert into reporting_events (name, user_id, conversation_id, created_at)
select
    'first_response',
    1 + n % 10,
    1 + n % 200,
    timestamp '2026-02-01' + n * interval '1 hour'
from generate_series(1, 400) as n;
