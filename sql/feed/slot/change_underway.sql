-- change_underway: whether a transaction changes the publication, or has, and its commit is not visible yet.
-- grain: one row
-- ALTER and DROP PUBLICATION lock the publication until their commit is visible. Decoding already follows it from
-- its place in the log on, so the catalog can only be believed while nobody holds that lock.
select
    exists(
        select 1
        from pg_locks
        inner join pg_publication on pg_locks.objid = pg_publication.oid
        where
            pg_locks.locktype = 'object'
            and pg_locks.classid = 'pg_publication'::regclass
            and pg_locks.mode = 'AccessExclusiveLock'
            and pg_locks.database = (
                select pg_database.oid from pg_database
                where pg_database.datname = current_database()
            )
            and pg_publication.pubname = 'analytics_feed'
    ) as is_underway
