-- Takes the messages of [$since, $until) out of the warehouse; `load` puts them back from the lake.
delete from core.messages
where created_at >= $since and created_at < $until;
