-- Finds the users or conversations that are here and gone at the source: those that are not among the ids of all that
-- the source has.
-- grain: one row: how many
create or replace table staging.gone_dimension as
select dimension_id
from core.dimension as known
anti join staging.keys_of_dimension using (dimension_id)
where known.in_source;

select count(*) as gone_rows
from staging.gone_dimension;
