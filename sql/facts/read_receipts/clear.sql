-- Takes the read_receipts of [$since, $until) out of the warehouse; `load` puts them back from the lake.
delete from core.read_receipts
where read_at >= $since and read_at < $until;
