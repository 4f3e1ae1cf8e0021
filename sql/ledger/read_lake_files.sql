-- The lake files as recorded, in order.
select *
from core.lake_files
order by table_name, day, path;
