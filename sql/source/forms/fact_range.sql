-- The rows of a fact in a range of places (ctid), whatever their version; only rows of the coverage.
-- grain: as the fact's
-- The two conditions on the place make this a TID range scan; in a partitioned table the same places of every
-- partition.
select
    fact_columns,
    true as is_new
from mapped
where
    place >= current_setting('analytics.first_place')::tid
    and place < current_setting('analytics.until_place')::tid
    and (
        (select current_setting('analytics.coverage') = '{[,)}')
        or event_time <@ (select current_setting('analytics.coverage')::tstzmultirange)
    )
