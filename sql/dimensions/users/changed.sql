-- How many staged users are new or not as the warehouse has them.
-- grain: one row
select count(*) as changed_rows
from (
    select
        user_id,
        username,
        is_bot,
        created_at,
        deleted_at
    from staging.users
    except
    select
        user_id,
        username,
        is_bot,
        created_at,
        deleted_at
    from core.users
    where in_source
) as changed;
