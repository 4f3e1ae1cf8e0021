-- Replace the thing $id.
update things
set
    name = $name,
    is_shared = $is_shared,
    version = version + 1,
    changed_at = $changed_at,
    body = $body
where id = $id;
