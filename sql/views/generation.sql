-- main.generation: Which generation this file is, and as of when.
-- grain: one row
create or replace view main.generation as
select
    state.generation, -- number of the generation
    batches.data_through, -- clock of the source when it was read, UTC: as seen at, not complete to
    state.generated_at, -- time of publication, UTC
    core.with_zone(batches.data_through) as data_through_tz, -- data_through with its zone
    core.with_zone(state.generated_at) as generated_at_tz -- generated_at with its zone
from core.state as state
cross join core.batches as batches
order by batches.batch desc
limit 1;
