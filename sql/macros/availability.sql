-- Availability: whether the source has a table. What a source cannot tell is unknown, and never 0.
-- Publication makes core.why_not_available(of_table), a constant text or null, as it does
-- core.data_through(): DuckDB decides when it plans a query, and what is available costs nothing.

-- whether the source has a table
create or replace macro core.is_available(of_table) as (
    core.why_not_available(of_table) is null
);

-- the error that says why a table is not available; it has every type
create or replace macro core.refusal(of_table) as (
    error(core.why_not_available(of_table))
);

-- true, or the error that says why a table is not available
create or replace macro core.is_there(of_table) as (
    case when core.is_available(of_table) then true else core.refusal(of_table) end
);
