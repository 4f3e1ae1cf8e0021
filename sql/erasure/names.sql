-- The name that the user $user_id has in the warehouse.
-- grain: one row, or none
select username
from core.dim_users
where user_id = $user_id;
