-- core.proofs: How lately each table was proved equal to the source, row by row.
-- grain: one row per table that has rows
create or replace view core.proofs as
select
    table_name,
    count(*) as files,
    count(proved_at) as proved_files,
    case when count(*) = count(proved_at) then min(proved_at) end as proved_at
from core.lake_files
group by table_name
order by table_name;

comment on view core.proofs is 'How lately each table was proved equal to the source, row by row. Grain: one row per table that has rows.';
comment on column core.proofs.table_name is 'the table';
comment on column core.proofs.files is 'day files of a fact, or the one file of a dimension';
comment on column core.proofs.proved_files is 'of these, proved at least once';
comment on column core.proofs.proved_at is 'every file has been proved since then, UTC; null = one has not been yet';
