-- coverage: which of the source tables in $1, a JSON array of names, the publication covers.
-- grain: one row per such table that exists
-- `identity_columns` are those that identify a row in the log (the replica identity), in the table's order.
-- `other_identities` names partitions that identify their rows otherwise than their root does.
with expected as (
    select
        entry.source_name,
        to_regclass(entry.source_name)::oid as relation_oid
    from jsonb_array_elements_text($1::jsonb) as entry (source_name)
)

select
    expected.source_name,
    expected.relation_oid::bigint as relation_oid,
    pg_class.relkind::text as kind,
    pg_class.relreplident::text as replica_identity,
    pg_class.relkind = 'r' and pg_class.relhassubclass as has_children,
    member.oid is not null as is_published,
    member.prqual is not null as is_filtered,
    (
        select array_agg(attribute.attname::text order by attribute.attnum)
        from pg_attribute as attribute
        where attribute.attrelid = pg_class.oid and attribute.attnum = any(member.prattrs)
    ) as published_columns,
    (
        select array_agg(attribute.attname::text order by attribute.attnum)
        from pg_index
        cross join unnest(pg_index.indkey) with ordinality as key_column (attnum, position)
        inner join pg_attribute as attribute
            on pg_index.indrelid = attribute.attrelid and key_column.attnum = attribute.attnum
        where
            pg_index.indrelid = pg_class.oid
            and key_column.position <= pg_index.indnkeyatts
            and case pg_class.relreplident
                when 'd' then pg_index.indisprimary
                when 'i' then pg_index.indisreplident
                else false
            end
    ) as identity_columns,
    (
        select string_agg(part.oid::regclass::text, ', ' order by part.oid)
        from pg_partition_tree(pg_class.oid) as tree
        inner join pg_class as part on tree.relid = part.oid
        where
            pg_class.relkind = 'p'
            and tree.isleaf
            and (part.relkind <> 'r' or part.relreplident <> 'd')
    ) as other_identities
from expected
inner join pg_class on expected.relation_oid = pg_class.oid
left join pg_publication_rel as member
    on
        pg_class.oid = member.prrelid
        and member.prpubid = (
            select pg_publication.oid from pg_publication
            where pg_publication.pubname = 'analytics_feed'
        )
order by expected.source_name
