-- Keep a new thing; nothing happens if there is one of this $id.
insert into things (id, kind, role, subject, name, is_shared, version, changed_at, body)
values ($id, $kind, $role, $subject, $name, $is_shared, 1, $changed_at, $body)
on conflict (id) do nothing;
