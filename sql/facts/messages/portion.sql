-- Sets the staged messages of the UTC days $days apart, so that writing a day need not go through all that
-- is staged: a few late rows in every block would make that as many scans of a first load as it has days.
-- [$since, $until) is what these days span: chunks of a backfill that lie outside are not even opened.
-- grain: one row per message
create or replace table staging.portion_messages as
select *
from staging.messages
where
    created_at >= $since
    and created_at < $until
    and cast(created_at as date) in (select unnest(cast($days as date[])));
