-- core.proofs: When each table was last proved equal to the source, row by row.
-- grain: one row per table that has rows
create or replace view core.proofs as
select
    table_name, -- name of the table
    count(*) as files, -- day files of a fact, or the one file of a dimension
    count(proved_at) as proved_files, -- files proved at least once
    case
        when count(*) = count(proved_at) then min(proved_at)
    end as proved_at -- every file has been proved since then, UTC; null = a file has not been proved yet
from core.lake_files
group by table_name
order by table_name;
