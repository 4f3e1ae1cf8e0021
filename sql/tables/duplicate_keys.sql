-- Counts the keys in staging.duplicates_of_fact, and names three.
-- grain: one row
with named as (
    select concat_ws(' / ', fact_id) as key_text
    from staging.duplicates_of_fact
)

select
    count(*) as key_count,
    list(key_text order by key_text)[:3] as examples
from named;
