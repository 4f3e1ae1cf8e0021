-- Marks the staged rows about a message that changed: they are new because their message is.
update staging.fact
set is_new = true
where message_id in (select message_id from staging.changed_messages);
