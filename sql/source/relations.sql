-- relations: the identity of each source table, and of its columns that a SELECT reads.
-- grain: one row per table here and source table; kind is null where the table does not exist
-- $1 is a JSON array of {table_name, source_name, statement}. A column counts as read when its name is a word
-- of the statement, and all of them where the statement has a star.
-- `full_name` is what the name means to this role: another schema in its search_path, another table.
-- `relation` changes when the table is swapped, rewritten, or gets a partition or a child: these bring rows with
-- old xmins. `columns` changes when a column that is read is dropped, retyped or recreated, and when what the
-- server computes for it changes: a virtual column, the labels of an enum. `heap_blocks` holds the blocks of each
-- heap: one for a plain table, one per leaf of a partitioned one. `versionless_parts` names the parts whose rows
-- have no xmin: foreign tables, and tables that another access method stores.
with recursive expected as (
    select
        entry.table_name,
        entry.source_name,
        entry.statement,
        to_regclass(entry.source_name)::oid as relation_oid
    from jsonb_to_recordset($1::jsonb) as entry (table_name text, source_name text, statement text)
),

tree as (
    select distinct
        expected.relation_oid as root_oid,
        expected.relation_oid as part_oid
    from expected
    where expected.relation_oid is not null
    union
    select
        tree.root_oid,
        pg_inherits.inhrelid as part_oid
    from tree
    inner join pg_inherits on tree.part_oid = pg_inherits.inhparent
),

parts as (
    select
        tree.root_oid,
        string_agg(
            tree.part_oid || '/' || coalesce(pg_relation_filenode(tree.part_oid), 0), ',' order by tree.part_oid
        ) as part_identities,
        string_agg(
            (pg_relation_size(tree.part_oid) / current_setting('block_size')::bigint)::text, ','
            order by tree.part_oid
        ) filter (where pg_class.relkind = 'r') as heap_blocks,
        string_agg(tree.part_oid::regclass::text, ', ' order by tree.part_oid) filter (
            where pg_class.relkind not in ('r', 'p') or pg_am.amname <> 'heap'
        ) as versionless_parts
    from tree
    inner join pg_class on tree.part_oid = pg_class.oid
    left join pg_am on pg_class.relam = pg_am.oid
    group by tree.root_oid
),

words as (
    select distinct
        expected.table_name,
        written.word
    from expected
    cross join lateral regexp_split_to_table(expected.statement, '[^[:alnum:]_$]+') as written (word)
),

words_in_both_cases as (
    select
        table_name,
        word
    from words
    union
    select
        table_name,
        lower(word) as word
    from words
)

select
    expected.table_name,
    expected.source_name,
    pg_class.relkind::text as kind,
    has_any_column_privilege(expected.relation_oid, 'select') as is_readable,
    case
        when pg_class.oid is not null then format('%I.%I', pg_namespace.nspname, pg_class.relname)
    end as full_name,
    parts.part_identities as relation,
    parts.heap_blocks,
    parts.versionless_parts,
    (
        select
            string_agg(
                concat_ws(
                    ' ',
                    attribute.attnum,
                    attribute.attname,
                    format_type(attribute.atttypid, attribute.atttypmod),
                    case when attribute.attgenerated = 'v' then pg_get_expr(stored.adbin, stored.adrelid) end,
                    (
                        select md5(string_agg(label.enumlabel, ',' order by label.enumsortorder))
                        from pg_enum as label
                        where label.enumtypid = attribute.atttypid
                    )
                ),
                ', ' order by attribute.attnum
            )
        from pg_attribute as attribute
        left join pg_attrdef as stored
            on attribute.attrelid = stored.adrelid and attribute.attnum = stored.adnum
        where
            attribute.attrelid = expected.relation_oid
            and attribute.attnum > 0
            and not attribute.attisdropped
            and (
                expected.statement ~ '(^|[^[:alnum:])"])\*|\.\s*\*'
                or (attribute.attname !~ '^[[:alnum:]_$]+$' and position(attribute.attname in expected.statement) > 0)
                or attribute.attname in (
                    select words_in_both_cases.word
                    from words_in_both_cases
                    where words_in_both_cases.table_name = expected.table_name
                )
            )
    ) as columns
from expected
left join pg_class on expected.relation_oid = pg_class.oid
left join pg_namespace on pg_class.relnamespace = pg_namespace.oid
left join parts on expected.relation_oid = parts.root_oid
order by expected.table_name, expected.source_name
