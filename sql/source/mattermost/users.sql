-- users: accounts, bots among them; a deactivated account counts as deleted.
-- grain: one row per user
select
    users.id as user_id,
    users.username,
    exists(
        select 1 from bots
        where bots.userid = users.id
    ) as is_bot,
    case
        when users.createat > 0
            then timestamptz 'epoch' + least(users.createat, 253402300799000) * interval '1 millisecond'
    end as created_at,
    case
        when users.deleteat > 0
            then timestamptz 'epoch' + least(users.deleteat, 253402300799000) * interval '1 millisecond'
    end as deleted_at
from users
