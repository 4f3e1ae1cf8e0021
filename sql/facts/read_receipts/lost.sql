-- Finds the read receipts of the day files $files that the batch, which read their days whole, did not bring:
-- the source has them no more, or at another time.
-- grain: one row: how many
create or replace table staging.lost_read_receipts as
select
    known.message_id,
    known.user_id
from read_parquet($files, hive_partitioning = false) as known
anti join staging.read_receipts as staged on known.message_id = staged.message_id and known.user_id = staged.user_id;

select count(*) as lost_rows
from staging.lost_read_receipts;
