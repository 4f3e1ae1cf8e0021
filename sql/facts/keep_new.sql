-- Removes the staged rows that were read for a proof only, so that the fold changes nothing that differs. The
-- rows of the days $days stay: their files are unusable and are written again.
delete from staging.fact
where not is_new and not coalesce(list_contains(cast($days as date[]), cast(event_time as date)), false);
