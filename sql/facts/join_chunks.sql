-- Adds the chunks of a backfill (the files in the variable `chunks_of_fact`) to what is staged.
-- grain: as the fact's
-- Staging holds every row whose version is newer than the oldest chunk, so the staged row replaces the
-- chunk's. No row is in two chunks unless it moved, and then it has a newer version.
alter table staging.fact rename to newer_fact;

create view staging.fact as
select *
from staging.newer_fact
union all by name
select chunk.*
from read_parquet(getvariable('chunks_of_fact'), hive_partitioning = false) as chunk
anti join staging.newer_fact using (fact_id);
