-- Stages the rows of the day files $files that the source no longer has: too many to remove unasked.
-- grain: as the fact's
insert into staging.fact by name
select distinct on (fact_id) known.*
from read_parquet($files, hive_partitioning = false) as known
semi join staging.gone_fact using (fact_id);
