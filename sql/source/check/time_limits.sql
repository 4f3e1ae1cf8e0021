-- time_limits: the server's limits that end a long reading and apply to this transaction.
-- grain: one row per limit that is set
select
    name as setting,
    setting::bigint as milliseconds
from pg_settings
where
    name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')
    and setting::bigint > 0
order by name
