-- Selects the staged rows of the UTC days $days, so that writing a day does not scan all that is staged: a
-- few late rows in every block would cost a first load one full scan per day.
-- [$since, $until) spans these days: backfill chunks outside of it are not opened.
-- grain: as the fact's
create or replace table staging.portion_fact as
select *
from staging.fact
where
    event_time >= $since
    and event_time < $until
    and cast(event_time as date) in (select unnest(cast($days as date[])));
