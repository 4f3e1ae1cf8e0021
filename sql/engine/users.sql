-- What rollups have of the users in a lake file $files: keys, ids and the attribute in them. Keys above $up_to
-- are of users who came later.
-- grain: one row
select
    count(*) as user_count,
    coalesce(max(user_key), 0) as last_key,
    coalesce(bit_xor(hash(user_key, user_id, is_bot)), 0) as digest
from read_parquet($files, hive_partitioning = false)
where user_key <= $up_to;
