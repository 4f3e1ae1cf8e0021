-- Puts the chunks that a backfill read (the files in the variable `read_receipts_chunks`) under what is staged.
-- grain: as the table's
-- What is staged has every row whose version is newer than the oldest chunk, so it wins; and no row
-- stands in two chunks without having moved, that is, without a newer version.
alter table staging.read_receipts rename to newer_read_receipts;

create view staging.read_receipts as
select *
from staging.newer_read_receipts
union all by name
select chunk.*
from read_parquet(getvariable('read_receipts_chunks'), hive_partitioning = false) as chunk
anti join staging.newer_read_receipts as newer on chunk.message_id = newer.message_id and chunk.user_id = newer.user_id;
