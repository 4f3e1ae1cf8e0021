-- Takes the rows that moved in time out of those that are gone: the other day files, $files, have them.
-- grain: one row: how many are left
create or replace table staging.gone_fact as
select gone.*
from staging.gone_fact as gone
anti join read_parquet($files, hive_partitioning = false) using (fact_id);

select count(*) as gone_rows
from staging.gone_fact;
