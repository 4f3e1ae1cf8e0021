-- Finds the rows of the day files $files that the source no longer has, or has at another time: their days
-- were read whole without them.
-- grain: one row: how many
create or replace table staging.gone_fact as
select fact_id
from read_parquet($files, hive_partitioning = false)
anti join staging.fact using (fact_id);

select count(*) as gone_rows
from staging.gone_fact;
