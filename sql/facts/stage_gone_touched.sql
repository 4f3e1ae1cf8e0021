-- Stages the ids of which rows may be gone at the source from the Arrow table `source_rows`, which has texts.
-- grain: one row per id
create or replace table staging.gone_touched_of_fact as
select touched_id
from staging.fact
where false;

insert into staging.gone_touched_of_fact by name
select *
from source_rows;
