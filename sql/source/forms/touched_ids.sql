-- The ids, as texts, that the rows of other tables at `touched_places` touch.
-- grain: one row per id
select distinct touched.touched_id::text as id_text
from touched
where
    touched.place = any((select current_setting('analytics.touched_places'))::tid[])
    and touched.touched_id is not null
