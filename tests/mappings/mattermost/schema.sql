-- The columns of Mattermost that the mapping reads, with 50 users, 20 channels and 2,000 posts.

create type channel_type as enum('P', 'G', 'O', 'D');

create table users (
    id varchar(26) primary key,
    createat bigint,
    deleteat bigint,
    username varchar(64) unique
);

create table bots (
    userid varchar(26) primary key
);

create table channels (
    id varchar(26) primary key,
    createat bigint,
    type channel_type,
    displayname varchar(64)
);

create table channelmembers (
    channelid varchar(26) not null,
    userid varchar(26) not null,
    roles varchar(256),
    lastviewedat bigint,
    schemeadmin boolean,
    primary key (channelid, userid)
);

create table channelmemberhistory (
    channelid varchar(26) not null,
    userid varchar(26) not null,
    jointime bigint not null,
    leavetime bigint,
    primary key (channelid, userid, jointime)
);

create table posts (
    id varchar(26) primary key,
    createat bigint,
    deleteat bigint,
    userid varchar(26),
    channelid varchar(26),
    originalid varchar(26),
    message varchar(65535),
    type varchar(26),
    editat bigint
);

create table fileinfo (
    id varchar(26) primary key,
    postid varchar(26),
    deleteat bigint,
    mimetype varchar(256)
);

create index idx_fileinfo_postid_at on fileinfo (postid);

create table reactions (
    userid varchar(26) not null,
    postid varchar(26) not null,
    emojiname varchar(64) not null,
    createat bigint,
    deleteat bigint,
    primary key (postid, userid, emojiname)
);

insert into users
select
    'user' || n,
    1760000000000 + n,
    0,
    'name ' || n
from generate_series(1, 50) as n;

insert into bots values ('user1');

insert into channels
select
    'channel' || n,
    1760000000000 + n,
    (array['P', 'G', 'O', 'D'])[1 + n % 4]::channel_type,
    case when n % 4 = 3 then '' else 'Channel ' || n end
from generate_series(1, 20) as n;

-- Every third pair is a member; user 2 has no history, as retention leaves them.
insert into channelmembers
select
    'channel' || c,
    'user' || u,
    '',
    case when u = 5 then 0 else 1765000000000 + c end,
    u = 1
from generate_series(1, 20) as c
cross join generate_series(1, 50) as u
where (c * 7 + u) % 3 = 0;

insert into channelmemberhistory
select
    channelid,
    userid,
    1761000000000,
    null
from channelmembers
where userid <> 'user2';

-- Who left, twice.
insert into channelmemberhistory values
('channel1', 'user1', 1762000000000, 1763000000000),
('channel1', 'user1', 1764000000000, 1764500000000);

insert into posts
select
    'post' || n,
    1770000000000 + n * 60000,
    0,
    'user' || 1 + n % 50,
    'channel' || 1 + n % 20,
    '',
    repeat('é', n % 90),
    case when n % 40 = 0 then 'system_join_channel' else '' end,
    0
from generate_series(1, 2000) as n;

insert into fileinfo
select
    'file' || n,
    'post' || n * 9,
    0,
    case when n % 2 = 0 then 'image/png' else 'application/pdf' end
from generate_series(1, 200) as n;

insert into reactions
select
    'user' || 1 + n % 50,
    'post' || n,
    'ok',
    1770000000000 + n * 60001,
    0
from generate_series(1, 500) as n;
