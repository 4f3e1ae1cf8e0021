-- The ids of all users, read when their count differs: whoever is missing was hard-deleted.
-- grain: one row per user
select id as user_id
from users
