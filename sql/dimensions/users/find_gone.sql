-- Finds the users that are here and gone at the source: those whose ids a feed told, and that are not staged.
-- grain: one row: how many
create or replace table staging.gone_users as
select user_id
from core.dim_users as known
semi join staging.gone_keys_of_users using (user_id)
anti join staging.users using (user_id)
where known.in_source;

select count(*) as gone_rows
from staging.gone_users;
