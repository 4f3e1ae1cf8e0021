-- identities: the columns by which a deletion tells which row it was, of the source tables in $1, a JSON array of
-- names as SQL writes them.
-- grain: one row per column; none for a table without a primary key, unless its replica identity is another index
select
    expected.source_name,
    pg_attribute.attname::text as column_name
from jsonb_array_elements_text($1::jsonb) as expected (source_name)
inner join pg_class on to_regclass(expected.source_name) = pg_class.oid
inner join pg_index
    on
        pg_class.oid = pg_index.indrelid
        and case when pg_class.relreplident = 'i' then pg_index.indisreplident else pg_index.indisprimary end
inner join pg_attribute
    on pg_class.oid = pg_attribute.attrelid and pg_attribute.attnum = any(pg_index.indkey::smallint[])
order by expected.source_name, pg_attribute.attnum
