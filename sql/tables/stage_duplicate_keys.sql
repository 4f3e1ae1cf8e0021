-- Stages the keys that several rows of the source have from the Arrow stream `source_rows`.
-- grain: one row per such key
create or replace table staging.duplicates_of_fact as
select *
from source_rows;
