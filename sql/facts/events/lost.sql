-- Finds the events of the day files $files that the batch, which read their days whole, did not bring:
-- the source has them no more, or at another time.
-- grain: one row: how many
create or replace table staging.lost_events as
select known.event_id
from read_parquet($files, hive_partitioning = false) as known
anti join staging.events as staged on known.event_id = staged.event_id;

select count(*) as lost_rows
from staging.lost_events;
