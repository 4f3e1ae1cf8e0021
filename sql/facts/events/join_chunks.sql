-- Puts the chunks that a backfill read (the files in the variable `events_chunks`) under what is staged.
-- grain: as the table's
-- What is staged has every row whose version is newer than the oldest chunk, so it wins; and no row
-- stands in two chunks without having moved, that is, without a newer version.
alter table staging.events rename to newer_events;

create view staging.events as
select *
from staging.newer_events
union all by name
select chunk.*
from read_parquet(getvariable('events_chunks'), hive_partitioning = false) as chunk
anti join staging.newer_events as newer on chunk.event_id = newer.event_id;
