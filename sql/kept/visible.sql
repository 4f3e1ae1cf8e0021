-- What the subject $subject in the role $role keeps, and what is shared.
-- grain: one row per thing
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
where (subject = $subject and role = $role) or is_shared = 1
order by is_own desc, name asc, id asc;
