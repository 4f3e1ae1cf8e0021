-- Which of $names a user here has, now that the erased person's row has lost its own.
-- grain: one row per name
select distinct username
from core.dim_users
where username in (select unnest(cast($names as varchar[])))
order by username;
