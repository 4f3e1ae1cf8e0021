-- counts: how many rows each table has under this snapshot, inside the coverage and outside it.
-- grain: one row per table
-- A hard delete leaves no trace that a reader could follow; the count does not add up any more.
with bounds as (
    select
        current_setting('analytics.coverage') = '{[,)}' as is_unbounded,
        current_setting('analytics.coverage')::tstzmultirange as coverage
)

select
    'users' as table_name,
    count(*) as source_rows,
    0 as outside_rows
from users
union all
select
    'conversations' as table_name,
    count(*) as source_rows,
    0 as outside_rows
from conversations
union all
select
    'participants' as table_name,
    count(*) as source_rows,
    0 as outside_rows
from conversation_participants
union all
select
    'messages' as table_name,
    count(*) filter (
        where (select bounds.is_unbounded from bounds) or messages.created_at <@ (select bounds.coverage from bounds)
    ) as source_rows,
    count(*) filter (
        where not (
            (select bounds.is_unbounded from bounds) or messages.created_at <@ (select bounds.coverage from bounds)
        )
    ) as outside_rows
from messages
union all
select
    'read_receipts' as table_name,
    count(*) filter (
        where (select bounds.is_unbounded from bounds)
        or message_read_receipts.read_at <@ (select bounds.coverage from bounds)
    ) as source_rows,
    count(*) filter (
        where not (
            (select bounds.is_unbounded from bounds)
            or message_read_receipts.read_at <@ (select bounds.coverage from bounds)
        )
    ) as outside_rows
from message_read_receipts
union all
select
    'events' as table_name,
    count(*) filter (
        where (select bounds.is_unbounded from bounds)
        or analytics_events.created_at <@ (select bounds.coverage from bounds)
    ) as source_rows,
    count(*) filter (
        where not (
            (select bounds.is_unbounded from bounds)
            or analytics_events.created_at <@ (select bounds.coverage from bounds)
        )
    ) as outside_rows
from analytics_events
