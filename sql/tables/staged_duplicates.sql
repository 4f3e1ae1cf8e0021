-- Counts the keys that several staged rows have.
-- grain: one row
select count(*) as key_count
from (
    select fact_id
    from staging.fact
    group by fact_id
    having count(*) > 1
) as duplicates;
