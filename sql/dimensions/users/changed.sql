-- Counts the staged users that are new or differ from the warehouse; with $is_proof only those with a row
-- version older than the watermark: the source changed them silently.
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
    where not (is_new and cast($is_proof as boolean))
    except
    select
        known.user_id,
        known.username,
        known.is_bot,
        known.created_at,
        known.deleted_at
    from core.dim_users as known
    semi join staging.users using (user_id)
    where known.in_source
) as changed;
