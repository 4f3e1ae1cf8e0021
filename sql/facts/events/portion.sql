-- Sets the staged events of the UTC days $days apart, so that writing a day need not go through all that
-- is staged: a few late rows in every block would make that as many scans of a first load as it has days.
-- [$since, $until) is what these days span: chunks of a backfill that lie outside are not even opened.
-- grain: one row per event
create or replace table staging.portion_events as
select *
from staging.events
where
    created_at >= $since
    and created_at < $until
    and cast(created_at as date) in (select unnest(cast($days as date[])));
