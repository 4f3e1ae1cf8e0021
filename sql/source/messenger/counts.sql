-- counts: how many rows each table has under this snapshot, inside the coverage and outside it.
-- grain: one row per table
-- A hard delete leaves no trace that a reader could follow; the count does not add up any more.
-- Each fact has two branches, of which one is run: where every day is covered, a plain count(*) lets the
-- server count in parallel, and in an index, which a filter on the time would not.
select
    table_name,
    sum(source_rows)::bigint as source_rows,
    sum(outside_rows)::bigint as outside_rows
from (
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
        count(*) as source_rows,
        0 as outside_rows
    from messages
    where (select current_setting('analytics.coverage') = '{[,)}')
    union all
    select
        'messages' as table_name,
        count(*) filter (
            where created_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
        ) as source_rows,
        count(*) filter (
            where not created_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
        ) as outside_rows
    from messages
    where (select current_setting('analytics.coverage') <> '{[,)}')
    union all
    select
        'read_receipts' as table_name,
        count(*) as source_rows,
        0 as outside_rows
    from message_read_receipts
    where (select current_setting('analytics.coverage') = '{[,)}')
    union all
    select
        'read_receipts' as table_name,
        count(*) filter (
            where read_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
        ) as source_rows,
        count(*) filter (
            where not read_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
        ) as outside_rows
    from message_read_receipts
    where (select current_setting('analytics.coverage') <> '{[,)}')
    union all
    select
        'events' as table_name,
        count(*) as source_rows,
        0 as outside_rows
    from analytics_events
    where (select current_setting('analytics.coverage') = '{[,)}')
    union all
    select
        'events' as table_name,
        count(*) filter (
            where created_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
        ) as source_rows,
        count(*) filter (
            where not created_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
        ) as outside_rows
    from analytics_events
    where (select current_setting('analytics.coverage') <> '{[,)}')
) as counted
group by table_name
