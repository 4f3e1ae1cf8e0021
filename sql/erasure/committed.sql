-- Which of $pseudonyms, a list of texts, the warehouse has: their erasures are committed.
-- grain: one row per pseudonym
select user_id
from core.dim_users
where cast(user_id as varchar) in (select unnest(cast($pseudonyms as varchar[])))
order by user_id;
