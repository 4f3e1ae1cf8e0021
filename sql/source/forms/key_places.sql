-- The places (ctid) of a source table's rows with the keys in $1, a JSON array of objects with texts.
-- grain: one row per place; a place may be that of several rows in different partitions
-- `offset 0` keeps the order of the join: each key is looked up in the index on the key.
select distinct found.place
from jsonb_to_recordset($1::jsonb) as keys (key_column key_type)
cross join lateral (
    select source_row.ctid::text as place
    from source_table as source_row
    where (source_row.key_column) = (keys.key_column)
    offset 0
) as found
