-- session: what the server reports of one of its sessions; run on a second connection.
-- grain: one row, or none when the session is gone
-- Reading a table is a COPY, whose progress counts the rows that were sent.
select
    activity.state,
    activity.wait_event,
    progress.tuples_processed as rows_sent
from pg_stat_activity as activity
left join pg_stat_progress_copy as progress using (pid)
where activity.pid = $1::integer
