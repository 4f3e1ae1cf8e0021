-- The rows of a fact whose version is at or after the watermark, and all rows of the days that are read whole;
-- all rows without a watermark; in each case only rows of the coverage.
-- grain: as the fact's
-- Both ages are computed in this statement, on this connection: age() counts from the transaction's own next
-- xid, so an age computed elsewhere loses rows silently.
select
    fact_columns,
    (select current_setting('analytics.watermark') = '')
    or age(row_version) between 0
    and (select age(nullif(current_setting('analytics.watermark'), '')::xid)) as is_new
from mapped
where
    (
        (select current_setting('analytics.watermark') = '')
        or age(row_version) between 0
        and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
        or (
            (select current_setting('analytics.days') <> '{}')
            and event_time <@ (select current_setting('analytics.days')::tstzmultirange)
        )
    )
    and (
        (select current_setting('analytics.coverage') = '{[,)}')
        or event_time <@ (select current_setting('analytics.coverage')::tstzmultirange)
    )
