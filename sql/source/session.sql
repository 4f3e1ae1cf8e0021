-- session: what the server says of one of its sessions; asked on a second connection.
-- grain: one row, or none where the session is gone
select
    state,
    wait_event
from pg_stat_activity
where pid = $1::integer
