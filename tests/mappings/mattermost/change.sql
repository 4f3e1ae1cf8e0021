-- What people do between two cycles.

-- An edit keeps the old version as a deleted post of its own.
insert into posts
select
    'old77',
    createat,
    1770500000000,
    userid,
    channelid,
    id,
    message,
    type,
    editat
from posts
where id = 'post77';

update posts set message = 'edited!', editat = 1770500000000
where id = 'post77';

update posts set deleteat = 1770500000000
where id in ('post78', 'post79');

-- A post that is deleted loses its file; another one gets one.
update posts set deleteat = 1770500000000
where id = 'post18';

update fileinfo set deleteat = 1770500000000
where postid = 'post18';

insert into fileinfo values ('late', 'post81', 0, 'image/png'), ('later', 'post82', 0, 'text/plain');

-- Permanently deleted, moved, written.
delete from reactions
where postid in ('post83', 'post84');

delete from posts
where id in ('post83', 'post84');

update posts set channelid = 'channel9'
where id = 'post85';

insert into posts
select
    'new' || n,
    1770000000000 + (2000 + n) * 60000,
    0,
    'user3',
    'channel3',
    '',
    'new',
    '',
    0
from generate_series(1, 10) as n;

-- Reactions: removed, removed and given again, given.
update reactions set deleteat = 1770500000000
where postid in ('post5', 'post6');

update reactions set deleteat = 0
where postid = 'post6';

insert into reactions values ('user9', 'new1', 'wave', 1770200000000, 0);

-- Who leaves, who comes back, who is made a bot, who is deactivated; what is viewed.
delete from channelmembers
where channelid = 'channel2' and userid = 'user4';

update channelmemberhistory set leavetime = 1770500000000
where channelid = 'channel2' and userid = 'user4';

insert into channelmembers values ('channel1', 'user1', 'channel_user channel_admin', 1770400000000, false);

insert into channelmemberhistory values ('channel1', 'user1', 1770300000000, null);

insert into bots values ('user7');

update users set deleteat = 1770500000000
where id = 'user8';

update channelmembers set lastviewedat = 1770450000000
where channelid = 'channel3' and userid = 'user3';
