-- size: how many rows the change log has, and its bytes.
-- grain: one row
-- The number is the planner's estimate: counting would read the whole log.
select
    greatest(pg_class.reltuples, 0)::bigint as log_rows,
    pg_total_relation_size(pg_class.oid) as log_bytes
from pg_class
inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
where pg_namespace.nspname = 'analytics_feed' and pg_class.relname = 'log'
