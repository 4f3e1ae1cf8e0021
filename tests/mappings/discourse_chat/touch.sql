-- Changes of messages and reactions that leave their own rows as they are; only a moved message has a new version.
insert into chat_message_revisions (chat_message_id, created_at) values (103, '2026-02-25 12:00');

insert into upload_references (upload_id, target_type, target_id) values (1, 'ChatMessage', 104), (2, 'Post', 105);

update chat_messages set chat_channel_id = 7
where id = 130;
