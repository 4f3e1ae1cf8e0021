-- Changes of messages that leave their own rows as they are, and nothing else.
insert into attachments (file_type, message_id) values (0, 301), (2, 302), (4, 303);
