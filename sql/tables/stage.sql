-- Stages a table from the Arrow stream `source_rows`, whose times are UTC without a zone.
-- grain: as the table's; `is_new` tells whether the row version is at or after the watermark
create table staging.fact as
select *
from source_rows;
