-- Deletes the rows of [$since, $until) from the warehouse; `load` inserts them again from the lake.
delete from core.fact
where event_time >= $since and event_time < $until;
