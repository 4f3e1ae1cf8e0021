-- After a full read the staged rows are all that the source has.
-- grain: as the dimension's
create view staging.keys_of_dimension as
select dimension_id
from staging.dimension;
