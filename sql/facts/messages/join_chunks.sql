-- Puts the chunks that a backfill read (the files in the variable `messages_chunks`) under what is staged.
-- grain: as the table's
-- What is staged has every row whose version is newer than the oldest chunk, so it wins; and no row
-- stands in two chunks without having moved, that is, without a newer version.
alter table staging.messages rename to newer_messages;

create view staging.messages as
select *
from staging.newer_messages
union all by name
select chunk.*
from read_parquet(getvariable('messages_chunks'), hive_partitioning = false) as chunk
anti join staging.newer_messages as newer on chunk.message_id = newer.message_id;
