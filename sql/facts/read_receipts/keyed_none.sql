-- Stands for `keyed` where there are no files. (Never filled afterwards: in DuckDB 2.0 a large INSERT
-- that follows an empty one in the same transaction is invisible to filters until the checkpoint.)
create or replace temporary table temp.keyed_read_receipts as
select *
from core.read_receipts
where false;
