-- Finds the users or conversations that are here and gone at the source: those whose ids a feed told, and that are
-- not staged.
-- grain: one row: how many
create or replace table staging.gone_dimension as
select dimension_id
from core.dimension as known
semi join staging.gone_keys_of_dimension using (dimension_id)
anti join staging.dimension using (dimension_id)
where known.in_source;

select count(*) as gone_rows
from staging.gone_dimension;
