-- What people do between two cycles.

-- A deletion replaces text and attributes, in either form, and removes the attachments.
update messages set
    content = 'This message was deleted', content_attributes = '"{\"deleted\":true}"', updated_at = '2026-02-25'
where id between 10 and 13;

update messages set
    content = 'This message was deleted', content_attributes = '{"deleted": true}', updated_at = '2026-02-25'
where id = 14;

delete from attachments
where message_id = 14;

insert into attachments (file_type, message_id) values (0, 301);

delete from messages
where id between 20 and 24;

delete from attachments
where message_id between 20 and 24;

insert into messages (id, content, conversation_id, message_type, created_at, updated_at, sender_type, sender_id)
select
    2000 + n,
    'n',
    5,
    0,
    timestamp '2026-02-20' + n * interval '1 minute',
    '2026-02-20',
    'Contact',
    6
from generate_series(1, 10) as n;

-- Assigned to somebody else, to a participant, seen.
update conversations set assignee_id = 3
where id = 8;

update conversations set assignee_id = 1 + (11 + 2) % 10
where id = 11;

update conversations set contact_last_seen_at = '2026-02-26', assignee_last_seen_at = '2026-02-27'
where id = 12;

-- People.
delete from contacts
where id = 55;

insert into contacts values (101, 'New', '2026-02-20');

update users set name = 'Renamed'
where id = 2;

insert into reporting_events (name, user_id, conversation_id, created_at) values
('conversation_resolved', null, 7, '2026-02-26');
