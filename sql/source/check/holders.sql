-- holders: transactions that have kept the watermark from advancing for $1 seconds or longer.
-- grain: one row per transaction
-- Without pg_read_all_stats the times of other roles' sessions are null.
select
    'pid ' || pid || ' of ' || coalesce(usename::text, '?')
    || coalesce(', ' || nullif(application_name, ''), '')
    || coalesce(', ' || state, '')
    || ' since ' || to_char(xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as holder,
    'pg_terminate_backend(' || pid || ')' as way_out
from pg_stat_activity
where
    backend_xid is not null
    and pid <> pg_backend_pid()
    and xact_start <= now() - make_interval(secs => $1::integer)
union all
select
    'the prepared transaction ' || gid || ' of ' || owner
    || ' since ' || to_char(prepared at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as holder,
    'rollback prepared ' || quote_literal(gid) as way_out
from pg_prepared_xacts
where prepared <= now() - make_interval(secs => $1::integer)
