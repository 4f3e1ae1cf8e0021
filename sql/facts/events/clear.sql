-- Takes the events of [$since, $until) out of the warehouse; `load` puts them back from the lake.
delete from core.events
where created_at >= $since and created_at < $until;
