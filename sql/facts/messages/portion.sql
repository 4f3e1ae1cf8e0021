-- Sets the staged messages of the UTC days $days apart, so that writing a day need not go through all that
-- is staged: a few late rows in every block would make that as many scans of a first load as it has days.
-- grain: one row per message
create or replace table staging.portion_messages as
select *
from staging.messages
where cast(created_at as date) in (select unnest(cast($days as date[])));
