-- Gives a key to each user id that staged rows mention and no users row has (there are no foreign
-- keys at the source): a placeholder, not shown as a user, so that no fact loses its id.
-- grain: one row per id
insert into core.users by name
select
    (select coalesce(max(keyed.user_key), 0) from core.users as keyed)
    + row_number() over (order by mentioned.user_id) as user_key,
    mentioned.user_id,
    false as in_source
from (
    select sender_id as user_id
    from staging.messages
    union
    select user_id
    from staging.read_receipts
    union
    select user_id
    from staging.events
    union
    select user_id
    from staging.participants
) as mentioned
anti join core.users as known on mentioned.user_id = known.user_id
where mentioned.user_id is not null;
