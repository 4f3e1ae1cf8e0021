-- Puts the pieces that a backfill read (the files in the variable `read_receipts_pieces`) under what is staged.
-- grain: as the table's
-- What is staged has every row whose version is newer than the oldest piece, so it wins; and no row
-- stands in two pieces without having moved, that is, without a newer version.
alter table staging.read_receipts rename to newer_read_receipts;

create view staging.read_receipts as
select *
from staging.newer_read_receipts
union all by name
select piece.*
from read_parquet(getvariable('read_receipts_pieces'), hive_partitioning = false) as piece
anti join staging.newer_read_receipts as newer on piece.message_id = newer.message_id and piece.user_id = newer.user_id;
