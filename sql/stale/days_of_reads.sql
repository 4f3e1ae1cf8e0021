-- The UTC days on which messages were read that were sent in [$since, $until).
-- grain: one row per day
select distinct cast(read_at as date) as day
from core.fact_read_receipts
where message_created_at >= $since and message_created_at < $until;
