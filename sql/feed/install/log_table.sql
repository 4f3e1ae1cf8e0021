-- log_table: the keys of changed rows, and up to which transaction they were forgotten.
-- op: I = inserted, D = deleted, U = updated, T = truncated, or keys unknown (no key). An update that changes a key
-- deletes the old one and inserts the new one.
create table if not exists analytics_feed.log (
    xid xid8 not null default pg_current_xact_id(),
    source text not null,
    op "char" not null,
    key text[]
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

create index if not exists log_xid on analytics_feed.log (xid);

create table if not exists analytics_feed.forgotten (before xid8 not null);

insert into analytics_feed.forgotten (before)
select '0'
where not exists (select from analytics_feed.forgotten);

drop function if exists analytics_feed.forget(xid8, integer);

create function analytics_feed.forget(upto xid8, at_most integer default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    removed bigint;
begin
    update analytics_feed.forgotten set before = upto where before < upto;
    delete from analytics_feed.log
    where ctid = any(array(select ctid from analytics_feed.log where xid < upto limit at_most));
    get diagnostics removed = row_count;
    return removed;
end $$;

do $$
declare
    etl_role constant text := current_setting('analytics.etl_role');
begin
    revoke all on function analytics_feed.forget(xid8, integer) from public;
    execute format('grant execute on function analytics_feed.forget(xid8, integer) to %I', etl_role);
    execute format('grant select on analytics_feed.log, analytics_feed.forgotten to %I', etl_role);
end $$;
