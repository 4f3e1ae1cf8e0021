-- Puts the pieces that a backfill read (the files in the variable `messages_pieces`) under what is staged.
-- grain: as the table's
-- What is staged has every row whose version is newer than the oldest piece, so it wins; and no row
-- stands in two pieces without having moved, that is, without a newer version.
alter table staging.messages rename to newer_messages;

create view staging.messages as
select *
from staging.newer_messages
union all by name
select piece.*
from read_parquet(getvariable('messages_pieces'), hive_partitioning = false) as piece
anti join staging.newer_messages as newer on piece.message_id = newer.message_id;
