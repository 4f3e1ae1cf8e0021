-- How many users there will be when the staged ones are put over the known ones: fewer at the
-- source means that some were hard-deleted there.
-- grain: one row
select count(*) as row_count
from (
    select user_id
    from core.dim_users
    where in_source
    union
    select user_id
    from staging.users
) as merged;
