-- blocks: how many blocks each heap of each fact table has; a partitioned table has a heap per leaf.
-- grain: one row per heap
with facts (table_name, source_name) as (
    values
    ('messages', 'messages'),
    ('read_receipts', 'message_read_receipts'),
    ('events', 'analytics_events')
),

heaps as (
    select
        facts.table_name,
        pg_class.oid as heap
    from facts
    inner join pg_class on to_regclass(facts.source_name) = pg_class.oid
    where pg_class.relkind = 'r'
    union
    select
        facts.table_name,
        tree.relid::oid as heap
    from facts
    cross join pg_partition_tree(to_regclass(facts.source_name)) as tree
    where tree.isleaf
)

select
    table_name,
    pg_relation_size(heap) / current_setting('block_size')::bigint as block_count
from heaps
order by table_name, heap
