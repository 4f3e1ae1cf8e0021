-- The columns of Zulip that the mapping reads, with 50 users, 15 channels and 2,000 messages.

create table zerver_userprofile (
    id serial primary key,
    full_name text,
    date_joined timestamptz,
    is_active boolean,
    is_bot boolean
);

create table zerver_recipient (
    id serial primary key,
    type_id integer,
    type smallint,
    unique (type, type_id)
);

create table zerver_stream (
    id serial primary key,
    name varchar(60),
    date_created timestamptz,
    invite_only boolean
);

create table zerver_subscription (
    id serial primary key,
    user_profile_id integer,
    recipient_id integer,
    active boolean
);

create index zerver_subscription_recipient_id on zerver_subscription (recipient_id);

create table zerver_message (
    id serial primary key,
    sender_id integer,
    recipient_id integer,
    type smallint default 1,
    content text,
    date_sent timestamptz,
    last_edit_time timestamptz,
    has_attachment boolean default false,
    has_image boolean default false
);

create index zerver_message_recipient_id on zerver_message (recipient_id);

create table zerver_archivetransaction (
    id serial primary key,
    timestamp timestamptz
);

create table zerver_archivedmessage (
    id integer primary key,
    sender_id integer,
    recipient_id integer,
    type smallint default 1,
    content text,
    date_sent timestamptz,
    last_edit_time timestamptz,
    has_attachment boolean default false,
    has_image boolean default false,
    archive_transaction_id integer
);

create index zerver_archivedmessage_recipient_id on zerver_archivedmessage (recipient_id);

create table zerver_realmauditlog (
    id serial primary key,
    event_type smallint,
    event_time timestamptz,
    acting_user_id integer,
    modified_user_id integer,
    modified_stream_id integer
);

create index zerver_realmauditlog_modified_user_id on zerver_realmauditlog (modified_user_id);

insert into zerver_userprofile
select
    n,
    'User ' || n,
    '2026-01-01',
    true,
    n = 1
from generate_series(1, 50) as n;

insert into zerver_stream
select
    n,
    'channel ' || n,
    '2026-01-01',
    n % 3 = 0
from generate_series(1, 15) as n;

-- Recipients: channels from 1, users from 101, groups from 201, the last of them of two people.
insert into zerver_recipient
select
    n,
    n,
    2
from generate_series(1, 15) as n
union all
select
    100 + n,
    n,
    1
from generate_series(1, 50) as n
union all
select
    200 + n,
    n,
    3
from generate_series(1, 5) as n;

insert into zerver_subscription (user_profile_id, recipient_id, active)
select
    u,
    c,
    true
from generate_series(1, 50) as u
cross join generate_series(1, 15) as c
where (u + c) % 3 = 0
union all
select
    u,
    200 + g,
    true
from generate_series(1, 4) as u
cross join generate_series(1, 5) as g
where g < 5 or u <= 2;

insert into zerver_realmauditlog (event_type, event_time, acting_user_id, modified_user_id, modified_stream_id)
select
    301,
    timestamptz '2026-01-02',
    user_profile_id,
    user_profile_id,
    recipient_id
from zerver_subscription
where recipient_id < 100;

insert into zerver_message (id, sender_id, recipient_id, content, date_sent, has_image, has_attachment)
select
    n,
    1 + n % 50,
    case when n % 5 = 0 then 101 + (n * 7) % 50 when n % 7 = 0 then 201 + n % 5 else 1 + n % 15 end,
    repeat('я', n % 80),
    timestamptz '2026-02-01' + n * interval '1 minute',
    n % 11 = 0,
    n % 13 = 0
from generate_series(1, 2000) as n;

update zerver_message set type = 2
where id % 100 = 0;
