-- read_through: how many rows a lake file has, after every value of it has been decoded.
-- grain: one row
select count(*) filter (where hash(lake) is not null) as row_count
from read_parquet($files, hive_partitioning = false) as lake;
