-- existing: which of the tables in $1, a JSON array of names, the source has.
-- grain: one row per table
select name as source_name
from jsonb_array_elements_text($1::jsonb) as name
where to_regclass(name) is not null
