-- How many users there will be when the staged ones are put over the known ones: fewer at the
-- source means that some were hard-deleted there.
-- grain: one row
with known as (
    select count(*) as row_count
    from core.dim_users
    where in_source
),

staged_and_known as (
    select count(*) as row_count
    from staging.users as staged
    inner join core.dim_users as known on staged.user_id = known.user_id
    where known.in_source
)

select known.row_count - staged_and_known.row_count + (select count(*) from staging.users) as row_count
from known
cross join staged_and_known;
