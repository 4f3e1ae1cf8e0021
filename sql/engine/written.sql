-- The rows of the Parquet files $files.
-- grain: one row
select count(*) as row_count
from read_parquet($files, hive_partitioning = false);
