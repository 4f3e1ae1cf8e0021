-- Puts the pieces that a backfill read (the files in the variable `events_pieces`) under what is staged.
-- grain: as the table's
-- What is staged has every row whose version is newer than the oldest piece, so it wins; and no row
-- stands in two pieces without having moved, that is, without a newer version.
alter table staging.events rename to newer_events;

create view staging.events as
select *
from staging.newer_events
union all by name
select piece.*
from read_parquet(getvariable('events_pieces'), hive_partitioning = false) as piece
anti join staging.newer_events as newer on piece.event_id = newer.event_id;
