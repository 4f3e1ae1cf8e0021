-- Collects the messages that are new or gone: rows about them carry their conversation and time.
-- grain: one row per message
create or replace table staging.changed_messages as
select message_id
from staging.messages
where is_new
union all
select message_id
from staging.gone_messages;
