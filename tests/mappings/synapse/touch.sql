-- Changes of messages and reactions that leave their rows in `events` as they are, and nothing else.
select send(
    '$edit-10-1', 'm.room.message', '!private:here', '@ada:here', 2600,
    '{"msgtype": "m.text", "body": "* short", "m.new_content": {"msgtype": "m.text", "body": "short"},
      "m.relates_to": {"rel_type": "m.replace", "event_id": "$message-10"}}'
);

-- The only edit of message 3 is deleted: it becomes a deleted message, and message 3 one that was never edited.
select
    send('$deletion-6', 'm.room.redaction', '!public:here', '@ada:here', 2700, '{}'),
    send('$deletion-3', 'm.room.redaction', '!public:here', '@bob:here', 2700, '{}');

insert into redactions (event_id, redacts, recheck) values
    ('$deletion-6', '$message-6', false),
    ('$deletion-3', '$edit-3-9', false);

delete from event_relations
where event_id = '$edit-3-9';

-- The message of an early reaction arrives.
select send('$late', 'm.room.message', '!public:here', '@eve:there', 2701, '{"msgtype": "m.text", "body": "late"}');
