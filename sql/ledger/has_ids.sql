-- Whether the tables were created for the mapping's types of ids.
-- grain: one row
select
    bool_and(
        columns.data_type = case columns.column_name
            when 'user_id' then typeof(cast(null as user_id_type))
            else typeof(cast(null as conversation_id_type))
        end
    ) as has_ids
from duckdb_columns() as columns
where
    columns.database_name = current_database()
    and columns.schema_name = 'core'
    and columns.column_name in ('user_id', 'conversation_id');
