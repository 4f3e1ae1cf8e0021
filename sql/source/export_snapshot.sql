-- export_snapshot: a name by which other transactions of this server can see what this one sees.
-- grain: one row
select pg_export_snapshot() as snapshot_name
