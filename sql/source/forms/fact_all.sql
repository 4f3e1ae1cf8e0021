-- All rows of a fact on the days of the coverage.
-- grain: as the fact's
select
    fact_columns,
    true as is_new
from mapped
where
    (select current_setting('analytics.coverage') = '{[,)}')
    or event_time <@ (select current_setting('analytics.coverage')::tstzmultirange)
