-- The days on which reads are stale, but for those before the year 1 and after 9999, which no fact has.
-- grain: one row per UTC day
select distinct day
from temp.stale_reads
where day between date '0001-01-01' and date '9999-12-31'
order by day;
