-- How many things the subject $subject in the role $role keeps.
-- grain: one row
select count(*)
from things
where subject = $subject and role = $role;
