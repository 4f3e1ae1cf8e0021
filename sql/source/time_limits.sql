-- time_limits: the limits to the length of a transaction that this server knows (transaction_timeout: from 17 on).
-- grain: one row per setting
select name
from pg_settings
where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')
order by name
