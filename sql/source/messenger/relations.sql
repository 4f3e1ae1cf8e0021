-- relations: the identity of each table that is read, and of the columns that are read from it.
-- grain: one row per table; relation is null where the table does not exist or may not be seen
-- `relation` changes when the table is swapped, rewritten, or a partition is attached: these bring
-- rows with old xmins. `columns` changes when a column that is read is dropped, retyped or re-made.
with expected (table_name, source_name, column_name) as (
    values
    ('users', 'users', 'id'),
    ('users', 'users', 'username'),
    ('users', 'users', 'is_bot'),
    ('users', 'users', 'created_at'),
    ('users', 'users', 'deleted_at'),
    ('conversations', 'conversations', 'id'),
    ('conversations', 'conversations', 'type'),
    ('conversations', 'conversations', 'title'),
    ('conversations', 'conversations', 'created_at'),
    ('participants', 'conversation_participants', 'conversation_id'),
    ('participants', 'conversation_participants', 'user_id'),
    ('participants', 'conversation_participants', 'role'),
    ('participants', 'conversation_participants', 'joined_at'),
    ('participants', 'conversation_participants', 'left_at'),
    ('messages', 'messages', 'id'),
    ('messages', 'messages', 'conversation_id'),
    ('messages', 'messages', 'sender_id'),
    ('messages', 'messages', 'message_type'),
    ('messages', 'messages', 'content'),
    ('messages', 'messages', 'created_at'),
    ('messages', 'messages', 'updated_at'),
    ('messages', 'messages', 'deleted_at'),
    ('read_receipts', 'message_read_receipts', 'message_id'),
    ('read_receipts', 'message_read_receipts', 'user_id'),
    ('read_receipts', 'message_read_receipts', 'read_at'),
    ('events', 'analytics_events', 'id'),
    ('events', 'analytics_events', 'event_type'),
    ('events', 'analytics_events', 'user_id'),
    ('events', 'analytics_events', 'conversation_id'),
    ('events', 'analytics_events', 'created_at')
),

found as (
    select
        expected.table_name,
        expected.source_name,
        expected.column_name,
        pg_attribute.attnum,
        to_regclass(expected.source_name)::oid as relation_oid,
        format_type(pg_attribute.atttypid, pg_attribute.atttypmod) as column_type
    from expected
    left join pg_attribute
        on
            pg_attribute.attrelid = to_regclass(expected.source_name)
            and expected.column_name = pg_attribute.attname
            and not pg_attribute.attisdropped
)

select
    found.table_name,
    found.source_name,
    max(pg_class.relkind::text) as kind,
    max(pg_class.oid)::text || ':' || coalesce((
        select
            string_agg(
                tree.relid::oid || '/' || coalesce(pg_relation_filenode(tree.relid), 0), ',' order by tree.relid::oid
            )
        from pg_partition_tree(to_regclass(found.source_name)) as tree
    ), max(pg_relation_filenode(pg_class.oid))::text, '') as relation,
    string_agg(
        found.attnum || ' ' || found.column_name || ' ' || found.column_type, ', ' order by found.attnum
    ) as columns,
    string_agg(found.column_name, ', ') filter (where found.attnum is null) as missing
from found
left join pg_class on found.relation_oid = pg_class.oid
group by found.table_name, found.source_name
order by found.table_name
