-- relations: the identity of each source table, and of its columns that a SELECT reads.
-- grain: one row per table here and source table; kind is null where it does not exist or is not visible
-- $1 is a JSON array of {table_name, source_name, statement}. A column counts as read when its name is a word
-- of the statement. `relation` changes when the table is swapped, rewritten, or a partition is attached: these
-- bring rows with old xmins. `columns` changes when a column that is read is dropped, retyped or recreated.
-- `heap_blocks` holds the blocks of each heap: one heap for a plain table, one per leaf of a partitioned one.
with expected as (
    select
        entry.table_name,
        entry.source_name,
        entry.statement
    from jsonb_to_recordset($1::jsonb) as entry (table_name text, source_name text, statement text)
),

found as (
    select
        expected.table_name,
        expected.source_name,
        expected.statement,
        to_regclass(expected.source_name)::oid as relation_oid
    from expected
)

select
    found.table_name,
    found.source_name,
    pg_class.relkind::text as kind,
    pg_class.oid::text || ':' || coalesce((
        select
            string_agg(
                tree.relid::oid || '/' || coalesce(pg_relation_filenode(tree.relid), 0), ',' order by tree.relid::oid
            )
        from pg_partition_tree(found.relation_oid::regclass) as tree
    ), pg_relation_filenode(pg_class.oid)::text, '') as relation,
    (
        select
            string_agg(
                attribute.attnum || ' ' || attribute.attname || ' '
                || format_type(attribute.atttypid, attribute.atttypmod),
                ', ' order by attribute.attnum
            )
        from pg_attribute as attribute
        where
            attribute.attrelid = found.relation_oid
            and attribute.attnum > 0
            and not attribute.attisdropped
            and found.statement ~ ('\m' || attribute.attname || '\M')
    ) as columns,
    (
        select
            string_agg(
                (pg_relation_size(heap.oid) / current_setting('block_size')::bigint)::text, ',' order by heap.oid
            )
        from pg_class as heap
        where
            heap.relkind = 'r'
            and (
                heap.oid = found.relation_oid
                or heap.oid in (
                    select tree.relid::oid
                    from pg_partition_tree(found.relation_oid::regclass) as tree
                    where tree.isleaf
                )
            )
    ) as heap_blocks
from found
left join pg_class on found.relation_oid = pg_class.oid
order by found.table_name, found.source_name
