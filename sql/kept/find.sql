-- The thing $id, if the subject $subject in the role $role keeps it or it is shared.
-- grain: one row, or none
select
    id,
    kind,
    role = $role and subject = $subject as is_own,
    name,
    is_shared,
    version,
    changed_at,
    body
from things
where id = $id and ((subject = $subject and role = $role) or is_shared = 1);
