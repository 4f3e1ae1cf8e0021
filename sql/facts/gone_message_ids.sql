-- The ids of the messages that are gone, as PostgreSQL's uuid[]: their receipts are read again.
-- grain: one row
select '{' || coalesce(string_agg(cast(message_id as varchar), ','), '') || '}' as ids
from staging.gone_messages;
