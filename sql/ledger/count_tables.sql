-- How many rows each copied table has, without the placeholders for ids that only facts mention.
-- grain: one row per table
select
    'users' as table_name,
    count(*) as row_count
from core.users
where in_source
union all
select
    'conversations' as table_name,
    count(*) as row_count
from core.conversations
where in_source
union all
select
    'participants' as table_name,
    count(*) as row_count
from core.participants
union all
select
    'messages' as table_name,
    count(*) as row_count
from core.messages
union all
select
    'read_receipts' as table_name,
    count(*) as row_count
from core.read_receipts
union all
select
    'events' as table_name,
    count(*) as row_count
from core.events;
