-- What people and Zulip do between two cycles.

update zerver_message set content = 'edited', last_edit_time = '2026-02-25'
where id in (101, 102);

update zerver_message set recipient_id = 9
where id = 301;

-- Deleted: moved to the archive; one is restored, and then in both tables.
insert into zerver_archivetransaction values (1, '2026-02-26');

insert into zerver_archivedmessage
select
    id,
    sender_id,
    recipient_id,
    type,
    content,
    date_sent,
    last_edit_time,
    has_attachment,
    has_image,
    1
from zerver_message
where id between 200 and 210;

delete from zerver_message
where id between 200 and 209;

insert into zerver_message (id, sender_id, recipient_id, content, date_sent)
select
    2000 + n,
    3,
    4,
    'new',
    timestamptz '2026-02-20' + n * interval '1 minute'
from generate_series(1, 10) as n
union all
select
    2011,
    3,
    108,
    'a first word',
    timestamptz '2026-02-21';

-- Who leaves, and who is deactivated.
update zerver_subscription set active = false
where user_profile_id = 3 and recipient_id = 3;

update zerver_subscription set active = false
where user_profile_id = 6 and recipient_id = 3;

update zerver_userprofile set is_active = false
where id = 9;

insert into zerver_realmauditlog (event_type, event_time, acting_user_id, modified_user_id, modified_stream_id) values
(303, '2026-02-27', 3, 3, 3),
(103, '2026-02-28', 1, 9, null);

delete from zerver_realmauditlog
where modified_user_id = 6 and modified_stream_id = 3;
