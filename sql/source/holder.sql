-- holder: the oldest transaction, other than ours, that keeps the snapshot's xmin from advancing.
-- grain: one row, or none
-- Without pg_read_all_stats most columns of other roles' sessions are null.
select
    'pid ' || pid || ' ' || coalesce(usename::text, '?')
    || coalesce(' ' || nullif(application_name, ''), '')
    || coalesce(', ' || state, '')
    || coalesce(' since ' || to_char(xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'), '')
        as holder,
    age(backend_xid) as xid_age
from pg_stat_activity
where backend_xid is not null and pid <> pg_backend_pid()
union all
select
    'prepared transaction ' || gid || ' of ' || owner
    || ' since ' || to_char(prepared at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as holder,
    age(transaction) as xid_age
from pg_prepared_xacts
order by xid_age desc
limit 1
