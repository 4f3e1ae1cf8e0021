-- source_tables: how the source tables can tell what changed, and why some cannot.
-- grain: one row per name in the setting analytics.source_tables, an array
-- `slot_columns` is the replica identity, which a slot tells of an updated or deleted row; `log_columns` any key.
-- `without_slot` and `without_log` say why a table stays scanned; null where it can be followed. `parts` holds the
-- table and, of a partitioned one, all its partitions.
with recursive named as (
    select
        listed.source_name,
        listed.ordinality as position,
        to_regclass(listed.source_name)::oid as root_oid
    from
        unnest(current_setting('analytics.source_tables')::text[])
        with ordinality as listed (source_name, ordinality)
),

trees as (
    select distinct
        root_oid,
        root_oid as part_oid
    from named
    where root_oid is not null
    union
    select
        trees.root_oid,
        pg_inherits.inhrelid as part_oid
    from trees
    inner join pg_inherits on trees.part_oid = pg_inherits.inhparent
),

-- A deferrable key identifies no row, because two rows may have it for a while; nor does one with nulls.
keys as (
    select
        pg_class.oid as part_oid,
        pg_index.indexrelid as index_oid,
        pg_index.indisprimary as is_primary,
        case pg_class.relreplident
            when 'd' then pg_index.indisprimary
            when 'i' then pg_index.indisreplident
            else false
        end as is_identity,
        key_columns.names,
        key_columns.is_generated
    from pg_index
    inner join pg_class on pg_index.indrelid = pg_class.oid
    cross join
        lateral (
            select
                array_agg(pg_attribute.attname::text order by numbered.ordinality) as names,
                bool_and(pg_attribute.attnotnull) as is_not_null,
                bool_or(pg_attribute.attgenerated <> '') as is_generated
            from unnest(pg_index.indkey) with ordinality as numbered (attnum, ordinality)
            left join pg_attribute on pg_class.oid = pg_attribute.attrelid and numbered.attnum = pg_attribute.attnum
            where numbered.ordinality <= pg_index.indnkeyatts
        ) as key_columns
    where
        pg_index.indrelid in (select trees.part_oid from trees)
        and pg_index.indisunique
        and pg_index.indimmediate
        and pg_index.indisvalid
        and pg_index.indpred is null
        and pg_index.indexprs is null
        and key_columns.is_not_null
),

best_keys as (
    select distinct on (part_oid)
        part_oid,
        index_oid,
        names
    from keys
    order by part_oid asc, is_identity desc, is_primary desc, cardinality(names) asc, index_oid asc
),

parts as (
    select
        trees.root_oid,
        trees.part_oid,
        trees.part_oid = trees.root_oid as is_root,
        trees.part_oid::regclass::text as part_name,
        pg_class.relkind as kind,
        pg_class.relpersistence = 'p' as is_logged,
        pg_class.relreplident as identity,
        identities.names as identity_columns,
        identities.is_generated,
        trees.part_oid in (select pg_subscription_rel.srrelid from pg_subscription_rel) as is_subscribed
    from trees
    inner join pg_class on trees.part_oid = pg_class.oid
    left join keys as identities on trees.part_oid = identities.part_oid and identities.is_identity
),

-- What is so of the whole because it is so of a part; one part is named.
wholes as (
    select
        roots.root_oid,
        array_agg(parts.part_oid order by parts.part_oid) as parts,
        bool_or(parts.is_subscribed) as is_subscribed,
        min(parts.part_name || ' is a foreign table') filter (where parts.kind = 'f') as foreign_part,
        min(parts.part_name || ' is not logged') filter (where not parts.is_logged) as unlogged_part,
        min(parts.part_name || ' has another replica identity than its partitioned table') filter (
            where parts.identity <> 'd' or not coalesce(parts.identity_columns @> roots.identity_columns, false)
        ) as deviating_part
    from parts as roots
    inner join parts on roots.root_oid = parts.root_oid
    where roots.is_root
    group by roots.root_oid
),

hindrances as (
    select
        parts.root_oid,
        case
            when parts.kind = 'v' then 'is a view, and a view has no changes of its own'
            when parts.kind = 'm' then 'is a materialized view, and is refreshed as a whole'
            when parts.kind = 'f' then 'is a foreign table, whose changes this server does not see'
            when parts.kind not in ('r', 'p') then 'is not a table'
            when not parts.is_logged then 'is not logged: a crash empties it without a trace'
            when parts.kind = 'r' and cardinality(wholes.parts) > 1
                then 'has child tables by inheritance, which may have other keys'
            else
                'is followed with all its partitions or not at all, and '
                || coalesce(wholes.foreign_part, wholes.unlogged_part)
        end as reason
    from parts
    inner join wholes using (root_oid)
    where parts.is_root
)

select
    named.source_name,
    named.position,
    named.root_oid,
    case when named.root_oid is not null then format('%I.%I', pg_namespace.nspname, pg_class.relname) end as full_name,
    pg_class.relowner as owner_oid,
    roots.identity_columns as slot_columns,
    best_keys.names as log_columns,
    wholes.parts,
    case
        when named.root_oid is null then 'does not exist'
        when hindrances.reason is not null then hindrances.reason
        when
            named.root_oid in (
                select parts.part_oid from parts
                where not parts.is_root
            )
            then 'is a partition of a table that the mapping reads too'
        when roots.identity = 'f' then 'has REPLICA IDENTITY FULL: beside a list of columns, every UPDATE would fail'
        when roots.identity = 'n' then 'has REPLICA IDENTITY NOTHING: every UPDATE and DELETE would fail'
        when roots.identity = 'i' and roots.kind = 'p'
            then 'is partitioned and has REPLICA IDENTITY USING INDEX, which a new partition would not have'
        when roots.identity_columns is null
            then 'has no primary key, or a deferrable one: every UPDATE and DELETE would fail' || coalesce(
                '; it could be followed after `alter table ' || named.root_oid::regclass
                || ' replica identity using index ' || (
                    select quote_ident(indexes.relname)
                    from pg_class as indexes
                    where indexes.oid = best_keys.index_oid and roots.kind = 'r'
                ) || '`', ''
            )
        when roots.is_generated then 'has a generated column in its key, which cannot be published'
        when roots.kind = 'p' then wholes.deviating_part
    end as without_slot,
    case
        when named.root_oid is null then 'does not exist'
        when hindrances.reason is not null then hindrances.reason
        when pg_class.relispartition
            then 'is a partition: rows that are written through its partitioned table fire no trigger of it'
        when wholes.is_subscribed then 'is written by a subscription, which fires no statement triggers'
        when best_keys.names is null then 'has no unique key of columns that are not null, or a deferrable one'
    end as without_log
from named
left join pg_class on named.root_oid = pg_class.oid
left join pg_namespace on pg_class.relnamespace = pg_namespace.oid
left join parts as roots on named.root_oid = roots.part_oid and roots.is_root
left join wholes on named.root_oid = wholes.root_oid
left join hindrances on named.root_oid = hindrances.root_oid
left join best_keys on named.root_oid = best_keys.part_oid
order by named.position
