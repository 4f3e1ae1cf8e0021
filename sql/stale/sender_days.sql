-- The days on which messages have other senders, but for those before the year 1 and after 9999, which no fact has.
-- grain: one row per UTC day
select distinct cast(created_at as date) as day
from temp.changed_senders
where created_at >= timestamp '0001-01-01' and created_at < timestamp '10000-01-01'
order by day;
