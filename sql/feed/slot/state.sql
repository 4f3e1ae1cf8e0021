-- state: what of the slot feed exists in this database, and how far its slot is.
-- grain: one row
-- `cluster`, `publication` and `functions` change when these do, or are created again. Columns that only later versions
-- of PostgreSQL have are read by name: conflicting (16), invalidation_reason (17).
with functions as (
    select
        count(distinct pg_proc.proname) as found,
        md5(string_agg(concat_ws('/', pg_proc.oid, pg_proc.xmin), ',' order by pg_proc.oid)) as identity,
        bool_and(
            has_schema_privilege(pg_proc.pronamespace, 'usage') and has_function_privilege(pg_proc.oid, 'execute')
        ) as may_execute
    from pg_proc
    inner join pg_namespace on pg_proc.pronamespace = pg_namespace.oid
    where pg_namespace.nspname = 'analytics_feed' and pg_proc.proname in ('begin', 'changes', 'advance')
),

members as (
    select
        prpubid as publication_oid,
        string_agg(concat_ws('/', oid, xmin, prrelid), ',' order by oid) as identity
    from pg_publication_rel
    group by prpubid
),

publications as (
    select
        md5(concat_ws('/', pg_publication.oid, pg_publication.xmin, members.identity)) as identity,
        pg_publication.pubinsert and pg_publication.pubupdate and pg_publication.pubdelete
        and pg_publication.pubtruncate and pg_publication.pubviaroot as is_complete
    from pg_publication
    left join members on pg_publication.oid = members.publication_oid
    where pg_publication.pubname = 'analytics_feed'
),

slots as (
    select
        found.*,
        to_jsonb(found) as columns
    from pg_replication_slots as found
    inner join pg_database on found.slot_name::text = 'analytics_feed_' || pg_database.oid
    where pg_database.datname = current_database()
)

select
    pg_is_in_recovery() as is_standby,
    current_setting('wal_level') as wal_level,
    (
        select concat_ws('/', control.system_identifier, checkpoint.timeline_id, pg_database.oid)
        from pg_control_system() as control
        cross join pg_control_checkpoint() as checkpoint
        cross join pg_database
        where pg_database.datname = current_database()
    ) as cluster,
    publications.identity as publication,
    coalesce(publications.is_complete, false) as publishes_all,
    functions.identity as functions,
    functions.found as functions_found,
    coalesce(functions.may_execute, false) as may_execute,
    slots.plugin as slot_plugin,
    slots.database = current_database() as is_of_this_database,
    slots.active_pid as slot_user,
    slots.wal_status,
    coalesce(
        slots.columns ->> 'invalidation_reason',
        case when (slots.columns ->> 'conflicting')::boolean then 'a conflict with recovery' end
    ) as invalidation_reason,
    (slots.confirmed_flush_lsn - '0/0'::pg_lsn)::bigint as confirmed
from functions
left join publications on true
left join slots on true
