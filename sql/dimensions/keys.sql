-- Stages the ids of all rows that the source has from the Arrow stream `source_rows`.
-- grain: as the dimension's
create table staging.keys_of_dimension as
select *
from source_rows;
