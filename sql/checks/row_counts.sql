-- row_counts: a fact has as many rows as its lake files report. Run for each fact.
-- grain: one row per offence; none = healthy
with held as (
    select count(*) as row_count
    from core.fact
),

filed as (
    select coalesce(sum(row_count), 0) as row_count
    from core.lake_files
    where table_name = 'fact' and day is not null
)

select
    'fact' as broken,
    held.row_count || ' rows, lake files report ' || filed.row_count as offender
from held
cross join filed
where held.row_count <> filed.row_count;
