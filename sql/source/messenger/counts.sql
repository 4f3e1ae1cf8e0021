-- counts: how many rows each table has under this snapshot.
-- grain: one row per table
-- A hard delete leaves no trace that a reader could follow; the count does not add up any more.
select
    'users' as table_name,
    count(*) as source_rows
from users
union all
select
    'conversations' as table_name,
    count(*) as source_rows
from conversations
union all
select
    'participants' as table_name,
    count(*) as source_rows
from conversation_participants
union all
select
    'messages' as table_name,
    count(*) as source_rows
from messages
union all
select
    'read_receipts' as table_name,
    count(*) as source_rows
from message_read_receipts
union all
select
    'events' as table_name,
    count(*) as source_rows
from analytics_events
