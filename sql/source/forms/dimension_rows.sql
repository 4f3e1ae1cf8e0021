-- The rows of a dimension whose version is at or after the watermark; all rows without one, or for a proof.
-- grain: as the dimension's
select
    dimension_columns,
    (select current_setting('analytics.watermark') = '')
    or age(row_version) between 0
    and (select age(nullif(current_setting('analytics.watermark'), '')::xid)) as is_new
from mapped
where
    (select current_setting('analytics.watermark') = '')
    or (select current_setting('analytics.days') = '{[,)}')
    or age(row_version) between 0
    and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
