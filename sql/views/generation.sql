-- generation: Which generation this file is, and through when it was read.
-- grain: one row
create or replace view main.generation as
select
    state.generation,
    batches.data_through,
    state.generated_at
from core.state as state
cross join core.batches as batches
order by batches.batch desc
limit 1;

comment on view main.generation is 'Which generation this file is, and through when it was read. Grain: one row.';
comment on column main.generation.generation is 'number of the generation';
comment on column main.generation.data_through is 'as seen at this instant of the source, UTC';
comment on column main.generation.generated_at is 'when it was published, UTC';
