-- The rows of a fact at given places (ctid), and those that rows of other tables touch: the rows at
-- `touched_places` of these, and the rows with the ids in `touched_ids`. Only rows of the coverage.
-- grain: as the fact's
-- The places become TID scans and the ids are looked up in the index on touched_id. The branches never return one
-- row twice; a place in another table or partition than the one that was meant only returns a row too many.
with touched_now as (
    select touched.touched_id
    from touched
    where touched.place = any((select current_setting('analytics.touched_places'))::tid[])
    union
    select named.id::touched_id_type as touched_id
    from jsonb_array_elements_text((select current_setting('analytics.touched_ids')::jsonb)) as named (id)
)

select
    fact_columns,
    true as is_new
from (
    select mapped.*
    from mapped
    where mapped.place = any((select current_setting('analytics.places'))::tid[])
    union all
    select mapped.*
    from mapped
    where
        mapped.touched_id = any(array(select touched_now.touched_id from touched_now))
        and mapped.place not in (select unnest((select current_setting('analytics.places'))::tid[]))
) as found
where
    (select current_setting('analytics.coverage') = '{[,)}')
    or event_time <@ (select current_setting('analytics.coverage')::tstzmultirange)
