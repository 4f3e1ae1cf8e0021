-- Which of $pseudonyms the warehouse has: their erasures are committed.
-- grain: one row per pseudonym
select user_id
from core.users
where user_id in (select unnest(cast($pseudonyms as bigint[])))
order by user_id;
