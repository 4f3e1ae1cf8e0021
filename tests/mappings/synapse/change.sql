-- What people and Synapse do between two cycles.

-- A new message, and one of the outliers becomes a part of the room.
select
    send('$message-new', 'm.room.message', '!public:here', '@bob:here', 2500, '{"msgtype": "m.text", "body": "hello"}');

update events set outlier = false
where event_id = '$outlier';

-- An edit, and a void one of another type; the deletion of the newest edit of message 2, which makes the older
-- one count again.
select send(
    '$edit-10-2', 'm.room.encrypted', '!private:here', '@ada:here', 2601,
    '{"ciphertext": "x", "m.relates_to": {"rel_type": "m.replace", "event_id": "$message-10"}}'
);

select send(
    '$edit-10-1', 'm.room.message', '!private:here', '@ada:here', 2600,
    '{"msgtype": "m.text", "body": "* short", "m.new_content": {"msgtype": "m.text", "body": "short"},
      "m.relates_to": {"rel_type": "m.replace", "event_id": "$message-10"}}'
);

select
    send(
        '$deletion-' || n,
        'm.room.redaction',
        (array['!public:here', '!private:here', '!direct:here'])[1 + n % 3],
        person,
        2700 + n,
        '{}'
    )
from (values (2, '@ada:here'), (6, '@ada:here'), (7, '@bob:here'), (8, '@eve:there')) as deletion (n, person);

insert into redactions (event_id, redacts, recheck) values
('$deletion-2', '$edit-2-7', false),
('$deletion-6', '$message-6', false),
('$deletion-7', '$message-7', true),  -- of the same server: valid
('$deletion-8', '$message-8', true);  -- of another server: void

delete from event_relations
where event_id = '$edit-2-7';

-- A deleted reaction loses its relation.
select send('$unreact', 'm.room.redaction', '!private:here', '@bob:here', 2800, '{}');

insert into redactions (event_id, redacts, recheck) values ('$unreact', '$reaction-1', false);

delete from event_relations
where event_id = '$reaction-1';

-- Synapse prunes a message that was deleted.
update event_json set json = '{"content":{}}'
where event_id = '$message-7';

update redactions set have_censored = true
where redacts = '$message-7';

-- A purge.
delete from event_json
where event_id in ('$message-20', '$message-21');

delete from events
where event_id in ('$message-20', '$message-21');

-- Memberships, names, marks, visits.
select
    send('$left', 'm.room.member', '!public:here', '@bob:here', 2900, '{"membership": "leave"}', '@bob:here'),
    send('$ban', 'm.room.member', '!private:here', '@eve:there', 2901, '{"membership": "ban"}', '@eve:there'),
    send('$renamed-room', 'm.room.name', '!public:here', '@ada:here', 2902, '{"name": "Hall"}', ''),
    send('$knock', 'm.room.member', '!public:here', '@new:there', 2903, '{"membership": "knock"}', '@new:there');

update profiles set displayname = 'Countess'
where user_id = 'ada';

delete from receipts_linearized
where stream_id = 4;

insert into receipts_linearized values
(6, '!public:here', 'm.read', '@bob:here', '$message-120', '{"ts":1770009000000}', null);

insert into user_daily_visits values ('@bob:here', 'WEB', 1769990400000), ('@ada:here', null, 1769990400000);
