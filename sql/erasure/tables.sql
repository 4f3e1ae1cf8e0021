-- The tables of a warehouse or a generation, to search each.
-- grain: one row per table
select table_name
from duckdb_tables()
where schema_name = 'core' and not internal
order by table_name;
