-- What people do between two cycles.

update app."Message" set "isDeleted" = true, "updatedAt" = '2026-02-25'
where id in ('message5', 'message6');

update app."Message" set body = 'edited', "editedAtMs" = 1771000000000
where id = 'message7';

delete from app."Reaction"
where "messageId" in ('message50', 'message51');

delete from app."Message"
where id in ('message50', 'message51');

update app."Message" set "roomId" = 'room9'
where id = 'message60';

insert into app."Message"
select
    'new' || n,
    'room3',
    'user4',
    'TEXT',
    'n',
    1770000000000 + (2000 + n) * 60000::bigint,
    null,
    false,
    '2026-02-20'
from generate_series(1, 10) as n;

update app."Room" set "memberIds" = array['user2', 'user49'], "lastReadAt" = '{"user2": 1771000000000}'
where id = 'room1';

update app."User" set "displayName" = 'Renamed', "deletedAt" = '2026-02-26'
where id = 'user9';

delete from app."Reaction"
where "messageId" = 'message8';

insert into app."Reaction" values ('new1', 'user5', '🎉', '2026-02-27');
