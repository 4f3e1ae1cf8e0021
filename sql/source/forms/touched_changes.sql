-- The ids, as texts, that rows of other tables touch whose version is at or after the watermark.
-- grain: one row per id; at most one more than CHANGES_MAX of etl.source
select distinct touched_id::text as id_text
from touched
where is_changed and touched_id is not null
limit 200001
