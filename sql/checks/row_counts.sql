-- row_counts: each fact has as many rows as the ledger records for its lake files.
-- grain: one row per fact that differs; none = healthy
with held (table_name, row_count) as (
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
    from core.events
),

filed as (
    select
        table_name,
        sum(row_count) as row_count
    from core.lake_files
    where day is not null
    group by table_name
)

select
    held.table_name as broken,
    held.row_count || ' rows, lake files have ' || coalesce(filed.row_count, 0) as offender
from held
left join filed on held.table_name = filed.table_name
where held.row_count <> coalesce(filed.row_count, 0);
