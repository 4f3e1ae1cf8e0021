-- Sets the staged read receipts of the UTC days $days apart, so that writing a day need not go through all that
-- is staged: a few late rows in every block would make that as many scans of a first load as it has days.
-- [$since, $until) is what these days span: chunks of a backfill that lie outside are not even opened.
-- grain: one row per message and user
create or replace table staging.portion_read_receipts as
select *
from staging.read_receipts
where
    read_at >= $since
    and read_at < $until
    and cast(read_at as date) in (select unnest(cast($days as date[])));
