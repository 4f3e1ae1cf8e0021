-- Fills a dimension of an empty warehouse from its file in the lake, keys included.
-- grain: as the dimension's
insert into core.dimension by name
select *
from read_parquet($files, hive_partitioning = false);
