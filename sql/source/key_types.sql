-- key_types: columns of the source table $1, those in $2, a JSON array of names, as SQL writes them.
-- grain: one row per column that exists
select
    pg_attribute.attname::text as column_name,
    quote_ident(pg_attribute.attname::text) as quoted_name,
    format_type(pg_attribute.atttypid, pg_attribute.atttypmod) as type_name
from jsonb_array_elements_text($2::jsonb) as expected (column_name)
inner join pg_attribute on expected.column_name = pg_attribute.attname::text
where
    pg_attribute.attrelid = to_regclass($1)
    and pg_attribute.attnum > 0
    and not pg_attribute.attisdropped
