-- Whether each staged row has its own key, by the digests of the keys: 64 bits, so that two keys with the same
-- digest are improbable, but possible.
-- grain: one row
select count(*) = count(distinct hash(fact_id)) as has_unique_keys
from staging.fact;
