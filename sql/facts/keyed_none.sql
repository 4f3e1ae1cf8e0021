-- Creates the keyed rows of a fact without day files. The table is never filled afterwards: in DuckDB 2.0 a
-- large INSERT that follows an empty one in the same transaction is invisible to filters until the
-- checkpoint.
create or replace temporary table temp.keyed_fact as
select *
from core.fact
where false;
