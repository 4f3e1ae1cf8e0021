-- Why a viewer sees nothing: deleted, or gone; null = they see what is theirs.
-- grain: one row; none for a user of whom nothing has been read yet
select
    case
        when not in_source then 'gone'
        when deleted_at is not null then 'deleted'
    end as fate
from core.dim_users
where user_id = $viewer;
