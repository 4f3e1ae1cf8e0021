-- relations: what each source table in $1, a JSON array of names as SQL writes them, is for this role.
-- grain: one row per name that means a table, view or foreign table
-- The catalog is read by name, because to_regclass fails where the role may not use the schema. `also_named` are
-- the tables that the name would mean if the schemas before theirs in the search_path did not have it. `covered`
-- are the table itself, its partitions and children, and what a view of that name reads.
with recursive expected as (
    select
        entry.source_name,
        parse_ident(entry.source_name) as words
    from jsonb_array_elements_text($1::jsonb) as entry (source_name)
),

found as (
    select
        expected.source_name,
        pg_class.oid,
        pg_namespace.oid as schema_oid,
        row_number() over (
            partition by expected.source_name
            order by array_position(current_schemas(true), pg_namespace.nspname)
        ) as place
    from expected
    inner join pg_class on expected.words[cardinality(expected.words)] = pg_class.relname::text
    inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where
        pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
        and case
            when cardinality(expected.words) = 1 then pg_namespace.nspname = any(current_schemas(true))
            else pg_namespace.nspname::text = expected.words[cardinality(expected.words) - 1]
        end
),

covering as (
    select
        found.source_name,
        found.oid
    from found
    where found.place = 1
    union
    select
        covering.source_name,
        beneath.oid
    from covering
    cross join lateral (
        select pg_inherits.inhrelid as oid
        from pg_inherits
        where covering.oid = pg_inherits.inhparent
        union all
        select pg_depend.refobjid as oid
        from pg_rewrite
        inner join pg_depend on pg_rewrite.oid = pg_depend.objid
        where
            covering.oid = pg_rewrite.ev_class
            and pg_depend.classid = 'pg_rewrite'::regclass
            and pg_depend.refclassid = 'pg_class'::regclass
    ) as beneath
),

covered as (
    select
        covering.source_name,
        string_agg(concat_ws('.', pg_namespace.nspname, pg_class.relname), E'\n') as names,
        sum(pg_class.reltuples) filter (where pg_class.relkind in ('r', 'm', 'f')) as row_estimate,
        bool_or(pg_class.reltuples < 0 and pg_class.relkind = 'r') as is_unknown,
        sum(pg_table_size(pg_class.oid)) filter (where pg_class.relkind in ('r', 'm')) as bytes
    from covering
    inner join pg_class on covering.oid = pg_class.oid
    inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    group by covering.source_name
)

select
    found.source_name,
    format('%I.%I', pg_namespace.nspname, pg_class.relname) as full_name,
    pg_namespace.nspname::text as schema_name,
    pg_class.relkind::text as kind,
    has_schema_privilege(found.schema_oid, 'usage') as may_use_schema,
    has_table_privilege(found.oid, 'select') as may_select,
    row_security_active(found.oid) as hides_rows,
    covered.bytes::bigint as bytes,
    covered.names as covered,
    case when not covered.is_unknown then covered.row_estimate::bigint end as row_estimate,
    (
        select string_agg(other.oid::regclass::text, ', ' order by other.place)
        from found as other
        where other.source_name = found.source_name and other.place > 1
    ) as also_named
from found
inner join pg_class on found.oid = pg_class.oid
inner join pg_namespace on found.schema_oid = pg_namespace.oid
inner join covered on found.source_name = covered.source_name
where found.place = 1
