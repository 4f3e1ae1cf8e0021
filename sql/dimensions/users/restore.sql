-- Fills the users dimension of an empty warehouse from the lake's file.
insert into core.users by name
select *
from read_parquet($files, hive_partitioning = false);
