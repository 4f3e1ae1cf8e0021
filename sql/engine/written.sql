-- The rows of the Parquet files $files. The digest is there so that every value is read.
-- grain: one row
select
    count(*) as row_count,
    bit_xor(hash(written)) as digest
from read_parquet($files, hive_partitioning = false) as written;
