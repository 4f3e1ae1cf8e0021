-- definitions: what the functions and views compute that a SELECT names; their change brings no row version.
-- grain: one row per table here and function or view
-- $1 is as in relations.sql. A view counts as named when its name is a word of the statement, or of the definition
-- of another that counts, and a function when it is called there. PostgreSQL's own do not change within a server's
-- version.
with recursive expected as (
    select
        entry.table_name,
        string_agg(distinct entry.statement, ' ') as statement
    from jsonb_to_recordset($1::jsonb) as entry (table_name text, source_name text, statement text)
    group by entry.table_name
),

defined as materialized (
    select
        pg_proc.oid,
        pg_proc.proname::text as name,
        '(' as after_name,
        concat_ws(' ', pg_proc.prosrc, pg_get_function_sqlbody(pg_proc.oid)) collate "C" as body  -- noqa: RF03
    from pg_proc
    where pg_proc.oid >= 16384 and pg_proc.prokind <> 'a'
    union all
    select
        pg_class.oid,
        pg_class.relname::text as name,
        '' as after_name,
        pg_get_viewdef(pg_class.oid) collate "C" as body  -- noqa: RF03
    from pg_class
    where pg_class.oid >= 16384 and pg_class.relkind = 'v'
),

named as (
    select
        expected.table_name,
        0::oid as oid,
        expected.statement collate "C" as body  -- noqa: RF03
    from expected
    union
    select
        named.table_name,
        defined.oid,
        defined.body
    from named
    cross join lateral regexp_split_to_table(named.body, '[^[:alnum:]_$]+') as written (word)
    -- An equality, so that thousands of functions of extensions are looked up and not compared.
    cross join lateral (values (written.word), (lower(written.word))) as spelled (name)
    inner join defined on spelled.name = defined.name
    where position(written.word || defined.after_name in regexp_replace(named.body, '"?\s*\(', '(', 'g')) > 0
)

select
    named.table_name,
    defined.oid::text as identity,
    defined.name,
    defined.body
from named
inner join defined on named.oid = defined.oid
order by named.table_name, defined.oid
