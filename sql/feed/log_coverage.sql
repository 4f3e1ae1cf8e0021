-- log_coverage: the tables whose changes are logged, by the triggers that are there now.
-- grain: one row per table that a trigger of the log names
-- `columns` is what a key in the log consists of. `reason` says why changes of the table may be missing in the log;
-- null = none are. `identity` changes when triggers, functions or the log are not those of before.
with recursive triggers as (
    select
        pg_trigger.tgrelid as part_oid,
        pg_trigger.tgname::text as trigger_name,
        pg_trigger.tgenabled = 'A' as is_always,
        decoded.arguments[1] as source,
        decoded.arguments[2:cardinality(decoded.arguments)] as columns,
        concat_ws('/', pg_trigger.oid, pg_trigger.xmin, pg_proc.oid, pg_proc.xmin) as identity
    from pg_trigger
    inner join pg_proc on pg_trigger.tgfoid = pg_proc.oid
    -- The arguments are texts that end with a zero byte each.
    cross join
        lateral (
            select
                array_agg(
                    convert_from(decode(argument.escaped, 'escape'), getdatabaseencoding()) order by argument.position
                ) as arguments
            from
                string_to_table(encode(pg_trigger.tgargs, 'escape'), '\000')
                with ordinality as argument (escaped, position)
            where argument.position <= pg_trigger.tgnargs
        ) as decoded
    where
        pg_proc.pronamespace = to_regnamespace('analytics_feed')
        and not pg_trigger.tgisinternal
),

sources as (
    select
        source,
        to_regclass(source)::oid as root_oid,
        min(columns) as columns,
        min(columns) = max(columns) as has_one_key,
        string_agg(identity, ',' order by identity) as identity
    from triggers
    group by source
),

trees as (
    select
        source,
        columns,
        root_oid as part_oid
    from sources
    where root_oid is not null
    union
    select
        trees.source,
        trees.columns,
        pg_inherits.inhrelid as part_oid
    from trees
    inner join pg_inherits on trees.part_oid = pg_inherits.inhparent
),

attached as (
    select
        trees.source,
        trees.part_oid,
        count(triggers.part_oid) as trigger_count
    from trees
    left join triggers
        on
            trees.part_oid = triggers.part_oid
            and trees.source = triggers.source
            and triggers.is_always
            and triggers.trigger_name in (
                'analytics_feed_insert', 'analytics_feed_update', 'analytics_feed_delete', 'analytics_feed_truncate'
            )
    group by trees.source, trees.part_oid
),

gaps as (
    select
        trees.source,
        min(case
            when pg_class.relkind not in ('r', 'p') then trees.part_oid::regclass || ' is no table'
            when pg_class.relpersistence <> 'p' then trees.part_oid::regclass || ' is not logged'
            when trees.part_oid in (select pg_subscription_rel.srrelid from pg_subscription_rel)
                then trees.part_oid::regclass || ' is written by a subscription'
            when attached.trigger_count < 4
                then trees.part_oid::regclass || ' lacks triggers of the log, or they are disabled'
            when cardinality(trees.columns) > (
                select count(*)
                from pg_attribute
                where pg_attribute.attrelid = trees.part_oid and pg_attribute.attname = any(trees.columns)
            ) then trees.part_oid::regclass || ' lacks a column of the key: it was renamed or dropped'
        end) as reason
    from trees
    inner join attached using (source, part_oid)
    inner join pg_class on trees.part_oid = pg_class.oid
    group by trees.source
)

select
    sources.source,
    sources.columns,
    md5(concat_ws(
        ',', sources.identity, (
            select concat_ws('/', pg_class.oid, pg_relation_filenode(pg_class.oid), pg_class.relpersistence)
            from pg_class
            where pg_class.oid = to_regclass('analytics_feed.log')
        )
    )) as identity,
    case
        when to_regclass('analytics_feed.log') is null then 'the log was dropped'
        when sources.root_oid is null then format('%s was renamed or dropped', sources.source)
        when not sources.has_one_key then format('triggers of %s name several keys', sources.source)
        else gaps.reason
    end as reason
from sources
left join gaps on sources.source = gaps.source
order by sources.source
