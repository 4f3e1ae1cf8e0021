-- Takes the ids that the day files $files mention into staging: they need placeholders.
-- grain: one row per pair of ids
insert into staging.read_receipts by name
select distinct
    conversation_id,
    user_id
from read_parquet($files, hive_partitioning = false);
