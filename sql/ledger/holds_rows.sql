-- Whether any table that a batch fills has, or had, a row: only a warehouse without any may be filled.
-- grain: one row
select coalesce(max(estimated_size), 0) > 0 as holds_rows
from duckdb_tables()
where
    database_name = current_database()
    and schema_name = 'core'
    and table_name not in ('state', 'tz_spans');
