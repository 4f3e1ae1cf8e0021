-- How many users or conversations there will be when the staged ones are put over the known ones: fewer at the
-- source means that some were hard-deleted there.
-- grain: one row
with known as (
    select count(*) as row_count
    from core.dimension
    where in_source
),

staged_and_known as (
    select count(*) as row_count
    from core.dimension as known
    semi join staging.dimension using (dimension_id)
    where known.in_source
)

select known.row_count - staged_and_known.row_count + (select count(*) from staging.dimension) as row_count
from known
cross join staged_and_known;
