-- The ids of the messages that are gone, as a JSON array of texts: rows about them are read again.
-- grain: one row
select cast(to_json(coalesce(list(cast(message_id as varchar)), [])) as varchar) as ids
from staging.gone_messages;
