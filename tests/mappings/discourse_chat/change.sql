-- What people do between two cycles.

-- Edits; the second one changed only the revisions, as if its message had been written before.
update chat_messages set message = 'edited', updated_at = '2026-02-25'
where id = 102;

insert into chat_message_revisions (chat_message_id, created_at) values
(102, '2026-02-24'),
(102, '2026-02-25'),
(103, '2026-02-25 12:00');

insert into upload_references (upload_id, target_type, target_id) values (1, 'ChatMessage', 104), (2, 'Post', 105);

-- Deleted, removed by retention, moved, written.
update chat_messages set deleted_at = '2026-02-26'
where id between 110 and 115;

delete from chat_message_reactions
where chat_message_id between 120 and 124;

delete from chat_messages
where id between 120 and 124 or id = 300;

update chat_messages set chat_channel_id = 7
where id = 130;

insert into chat_messages (id, chat_channel_id, user_id, created_at, updated_at, message)
select
    2000 + n,
    3,
    4,
    timestamp '2026-02-20' + n * interval '1 minute',
    '2026-02-20',
    'new'
from generate_series(1, 10) as n;

delete from chat_message_reactions
where chat_message_id = 7;

insert into chat_message_reactions (chat_message_id, user_id, emoji, created_at) values (8, 5, 'tada', '2026-02-27');

-- Who leaves a channel, closes a direct message, or leaves a group; what is read; what is renamed.
update user_chat_channel_memberships set following = false, updated_at = '2026-02-26'
where user_id = 3 and chat_channel_id = 3;

update user_chat_channel_memberships set following = false, updated_at = '2026-02-26'
where user_id = 2 and chat_channel_id = 10;

delete from user_chat_channel_memberships
where user_id = 5 and chat_channel_id = 4;

delete from direct_message_users
where user_id = 5 and direct_message_channel_id = 4;

update user_chat_channel_memberships set last_read_message_id = 2010, last_viewed_at = '2026-02-28'
where user_id = 6 and chat_channel_id = 3;

update categories set name = 'Renamed'
where id = 1;
