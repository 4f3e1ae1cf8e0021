-- The columns of Synapse that the mapping reads, with two federated servers in a few rooms.

create table users (
    name text unique,
    creation_ts bigint,
    appservice_id text,
    user_type text
);

create table profiles (
    user_id text not null unique,
    displayname text,
    full_user_id text
);

create table rooms (
    room_id text not null primary key
);

create table events (
    event_id text not null unique,
    type text not null,
    room_id text not null,
    state_key text,
    sender text,
    origin_server_ts bigint,
    received_ts bigint,
    stream_ordering bigint unique,
    outlier boolean not null,
    rejection_reason text
);

create table event_json (
    event_id text not null unique,
    json text not null
);

create table event_relations (
    event_id text not null,
    relates_to_id text not null,
    relation_type text not null,
    aggregation_key text
);

create unique index event_relations_id on event_relations (event_id);

create index event_relations_relates on event_relations (relates_to_id, relation_type, aggregation_key);

create table redactions (
    event_id text not null unique,
    redacts text not null,
    recheck boolean not null default true,
    have_censored boolean not null default false
);

create index redactions_redacts on redactions (redacts);

create table room_memberships (
    event_id text not null unique,
    user_id text not null,
    room_id text not null,
    membership text not null
);

create index room_memberships_room_id on room_memberships (room_id);

create table current_state_events (
    event_id text not null unique,
    room_id text not null,
    type text not null,
    state_key text not null,
    unique (room_id, type, state_key)
);

create table receipts_linearized (
    stream_id bigint not null,
    room_id text not null,
    receipt_type text not null,
    user_id text not null,
    event_id text not null,
    data text not null,
    thread_id text
);

create table user_daily_visits (
    user_id text not null,
    device_id text,
    timestamp bigint not null
);

create index user_daily_visits_uts_idx on user_daily_visits (user_id, timestamp);

-- How the tests write an event: its row, its JSON, and the rows that Synapse derives from it.
create function send(
    event_id text,
    type text,
    room_id text,
    sender text,
    minute integer,
    content jsonb,
    state_key text default null
) returns void language sql as $$
    insert into events values (
        event_id, type, room_id, state_key, sender, 1770000000000 + minute * 60000::bigint,
        1770000000000 + minute * 60000::bigint, coalesce((select max(stream_ordering) from events), 0) + 1, false, null
    );
    insert into event_json values (
        event_id, jsonb_build_object('type', type, 'sender', sender, 'content', content)::text
    );
    insert into event_relations
    select event_id, relation ->> 'event_id', relation ->> 'rel_type', relation ->> 'key'
    from (select content -> 'm.relates_to') as found (relation)
    where relation is not null;
    insert into room_memberships select event_id, state_key, room_id, content ->> 'membership'
    where type = 'm.room.member';
    delete from current_state_events as state
    where (state.room_id, state.type, state.state_key) = (send.room_id, send.type, send.state_key);
    insert into current_state_events select event_id, room_id, type, state_key where state_key is not null;
$$;

insert into users values
    ('@ada:here', 1760000000, null, null),
    ('@bob:here', 1760000001, null, null),
    ('@robot:here', 1760000002, null, 'bot'),
    ('@bridged:here', 1760000003, 'telegram', null);

insert into profiles values ('ada', 'Ada', '@ada:here'), ('bob', null, '@bob:here');

insert into rooms values ('!public:here'), ('!private:here'), ('!direct:here'), ('!space:here');

select send('$create-' || room, 'm.room.create', '!' || room || ':here', '@ada:here', 0, content, '')
from (
    values
        ('public', '{}'::jsonb),
        ('private', '{"note": "\"type\":\"m.space\""}'),
        ('direct', '{}'),
        ('space', '{"type": "m.space"}')
) as made (room, content);

select
    send('$rules', 'm.room.join_rules', '!public:here', '@ada:here', 0, '{"join_rule": "public"}', ''),
    send('$name', 'm.room.name', '!public:here', '@ada:here', 0, '{"name": "Lobby"}', ''),
    send(
        '$invite', 'm.room.member', '!direct:here', '@ada:here', 0, '{"membership": "invite", "is_direct": true}',
        '@bob:here'
    );

select send(
    '$join-' || room || person, 'm.room.member', '!' || room || ':here', person, 1, '{"membership": "join"}', person
)
from unnest(array['public', 'private', 'direct', 'space']) as room
cross join unnest(array['@ada:here', '@bob:here', '@eve:there']) as person
where room <> 'direct' or person <> '@eve:there';

-- A new display name is a membership event that changes no membership.
select send(
    '$renamed', 'm.room.member', '!public:here', '@bob:here', 2, '{"membership": "join", "displayname": "Bob"}',
    '@bob:here'
);

select send(
    '$message-' || n,
    case when n % 50 = 0 then 'm.sticker' when n % 40 = 0 then 'm.room.encrypted' else 'm.room.message' end,
    (array['!public:here', '!private:here', '!direct:here'])[1 + n % 3],
    (array['@ada:here', '@bob:here'])[1 + n % 2],
    10 + n,
    case
        when n % 50 = 0 then '{"body": "sticker"}'
        when n % 40 = 0 then '{"ciphertext": "…"}'
        when n % 25 = 0 then '{"msgtype": "m.image", "body": "cat.png"}'
        when n % 20 = 0 then '{"msgtype": "m.file", "body": "cat.pdf"}'
        else jsonb_build_object('msgtype', 'm.text', 'body', repeat('é', n % 60))
    end
)
from generate_series(1, 1200) as n;

-- What PostgreSQL cannot decode, and what only looks like it: a NUL, and an escaped backslash before `u0000`.
update event_json set json = '{"content":{"msgtype":"m.text","body":"a\u0000b\\u0000\\\u0000c"}}'
where event_id = '$message-1';

-- No messages: an outlier, a rejected event, a state event.
select
    send('$outlier', 'm.room.message', '!public:here', '@ada:here', 3, '{"msgtype": "m.text", "body": "later"}'),
    send('$rejected', 'm.room.message', '!public:here', '@eve:there', 3, '{"msgtype": "m.text", "body": "never"}'),
    send('$state', 'm.room.message', '!public:here', '@ada:here', 3, '{"msgtype": "m.text", "body": "state"}', '');

update events set outlier = true
where event_id = '$outlier';

update events set rejection_reason = 'auth_error'
where event_id = '$rejected';

-- Edits by the author, by somebody else (void), and an older one that arrives later.
select send(
    '$edit-' || n || '-' || minute,
    'm.room.message',
    (array['!public:here', '!private:here', '!direct:here'])[1 + n % 3],
    person,
    2000 + minute,
    jsonb_build_object(
        'msgtype', 'm.text',
        'body', '* edited',
        'm.new_content', jsonb_build_object('msgtype', 'm.text', 'body', repeat('x', minute)),
        'm.relates_to', jsonb_build_object('rel_type', 'm.replace', 'event_id', '$message-' || n)
    )
)
from (values (2, 7, '@ada:here'), (2, 5, '@ada:here'), (3, 9, '@bob:here'), (4, 6, '@bob:here'))
    as edit (n, minute, person);

select send(
    '$reaction-' || n,
    'm.reaction',
    (array['!public:here', '!private:here', '!direct:here'])[1 + n % 3],
    '@bob:here',
    3000 + n,
    jsonb_build_object(
        'm.relates_to', jsonb_build_object('rel_type', 'm.annotation', 'event_id', '$message-' || n, 'key', '👍')
    )
)
from generate_series(1, 200) as n;

-- A reaction that arrives before its message.
select send(
    '$reaction-early', 'm.reaction', '!public:here', '@eve:there', 3301,
    '{"m.relates_to": {"rel_type": "m.annotation", "event_id": "$late", "key": "❤"}}'
);

-- Another server sends a reaction again.
select send(
    '$reaction-again', 'm.reaction', '!direct:here', '@bob:here', 3300,
    '{"m.relates_to": {"rel_type": "m.annotation", "event_id": "$message-5", "key": "👍"}}'
);

insert into receipts_linearized values
    (1, '!public:here', 'm.read', '@ada:here', '$message-30', '{"ts":1770002000000}', null),
    (2, '!public:here', 'm.read.private', '@ada:here', '$message-60', '{"ts":1770004000000}', null),
    (3, '!public:here', 'm.read', '@ada:here', '$message-90', '{"ts":1770006000000,"thread_id":"main"}', 'main'),
    (4, '!public:here', 'm.read', '@bob:here', '$message-30', '{"ts":"soon"}', null),
    (5, '!private:here', 'm.read', '@eve:there', '$unknown', '{"ts":1770002000000}', null);

-- Without a device a visit is recorded again and again.
insert into user_daily_visits values
    ('@ada:here', 'PHONE', 1769990400000),
    ('@ada:here', null, 1769990400000),
    ('@ada:here', null, 1769990400000);
