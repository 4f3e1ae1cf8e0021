-- users: accounts; a deactivated one counts as deleted. 103, 106 and 107 are deactivations and deletions, which
-- are logged in the transaction that changes the account.
-- grain: one row per user
select
    xmin as row_version,
    ctid as place,
    id as user_id,
    full_name as username,
    is_bot,
    date_joined as created_at,
    case
        when not is_active
            then (
                select max(log.event_time) as deactivated_at
                from zerver_realmauditlog as log
                where log.modified_user_id = zerver_userprofile.id and log.event_type in (103, 106, 107)
            )
    end as deleted_at
from zerver_userprofile
