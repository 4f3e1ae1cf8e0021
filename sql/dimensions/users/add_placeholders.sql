-- Gives a key to each user id in staging.mentioned that has no row (the source has no foreign keys): a
-- placeholder, not shown as a user, so that no fact loses its id.
-- grain: one row per id
insert into core.dim_users by name
select
    (select coalesce(max(keyed.user_key), 0) from core.dim_users as keyed)
    + row_number() over (order by mentioned.user_id) as user_key,
    mentioned.user_id,
    false as in_source
from (
    select distinct user_id
    from staging.mentioned
    where user_id is not null
) as mentioned
anti join core.dim_users as known on mentioned.user_id = known.user_id;
