-- What rollups have of the conversations in a lake file $files: keys, ids and the attribute in them. Keys above
-- $up_to are of conversations that came later.
-- grain: one row
select
    count(*) as conversation_count,
    coalesce(max(conversation_key), 0) as last_key,
    coalesce(bit_xor(hash(conversation_key, conversation_id, conversation_type)), 0) as digest
from read_parquet($files, hive_partitioning = false)
where conversation_key <= $up_to;
