-- relations: the identity of each table that is read, and of the columns that are read from it.
-- grain: one row per table; relation is null where the table does not exist or may not be seen
-- A text may be varchar too, with any length. `mistyped` says which column has another type.
-- `relation` changes when the table is swapped, rewritten, or a partition is attached: these bring
-- rows with old xmins. `columns` changes when a column that is read is dropped, retyped or re-made.
with expected (table_name, source_name, column_name, column_type) as (
    values
    ('users', 'users', 'id', 'bigint'),
    ('users', 'users', 'username', 'text'),
    ('users', 'users', 'is_bot', 'boolean'),
    ('users', 'users', 'created_at', 'timestamp with time zone'),
    ('users', 'users', 'deleted_at', 'timestamp with time zone'),
    ('conversations', 'conversations', 'id', 'uuid'),
    ('conversations', 'conversations', 'type', 'text'),
    ('conversations', 'conversations', 'title', 'text'),
    ('conversations', 'conversations', 'created_at', 'timestamp with time zone'),
    ('participants', 'conversation_participants', 'conversation_id', 'uuid'),
    ('participants', 'conversation_participants', 'user_id', 'bigint'),
    ('participants', 'conversation_participants', 'role', 'text'),
    ('participants', 'conversation_participants', 'joined_at', 'timestamp with time zone'),
    ('participants', 'conversation_participants', 'left_at', 'timestamp with time zone'),
    ('messages', 'messages', 'id', 'uuid'),
    ('messages', 'messages', 'conversation_id', 'uuid'),
    ('messages', 'messages', 'sender_id', 'bigint'),
    ('messages', 'messages', 'message_type', 'text'),
    ('messages', 'messages', 'content', 'text'),
    ('messages', 'messages', 'created_at', 'timestamp with time zone'),
    ('messages', 'messages', 'updated_at', 'timestamp with time zone'),
    ('messages', 'messages', 'deleted_at', 'timestamp with time zone'),
    ('read_receipts', 'message_read_receipts', 'message_id', 'uuid'),
    ('read_receipts', 'message_read_receipts', 'user_id', 'bigint'),
    ('read_receipts', 'message_read_receipts', 'read_at', 'timestamp with time zone'),
    ('events', 'analytics_events', 'id', 'uuid'),
    ('events', 'analytics_events', 'event_type', 'text'),
    ('events', 'analytics_events', 'user_id', 'bigint'),
    ('events', 'analytics_events', 'conversation_id', 'uuid'),
    ('events', 'analytics_events', 'created_at', 'timestamp with time zone')
),

found as (
    select
        expected.table_name,
        expected.source_name,
        expected.column_name,
        pg_attribute.attnum,
        to_regclass(expected.source_name)::oid as relation_oid,
        format_type(pg_attribute.atttypid, pg_attribute.atttypmod) as column_type,
        expected.column_type as expected_type,
        pg_attribute.atttypid = expected.column_type::regtype
        or (expected.column_type = 'text' and pg_attribute.atttypid = 'varchar'::regtype) as is_expected
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
    string_agg(found.column_name, ', ') filter (where found.attnum is null) as missing,
    string_agg(
        found.source_name || '.' || found.column_name || ' is ' || found.column_type
        || ', not ' || found.expected_type,
        '; ' order by found.attnum
    ) filter (where not found.is_expected) as mistyped
from found
left join pg_class on found.relation_oid = pg_class.oid
group by found.table_name, found.source_name
order by found.table_name
