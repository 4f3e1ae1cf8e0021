-- Finds the messages of the day files $files that the batch, which read their days whole, did not bring:
-- the source has them no more, or at another time.
-- grain: one row: how many
create or replace table staging.lost_messages as
select known.message_id
from read_parquet($files, hive_partitioning = false) as known
anti join staging.messages as staged on known.message_id = staged.message_id;

select count(*) as lost_rows
from staging.lost_messages;
