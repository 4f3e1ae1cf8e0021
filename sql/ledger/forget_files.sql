-- Takes out the records of the files of some tables and days; the two lists go together by
-- position, and a null day stands for a dimension.
delete from core.lake_files
where exists (
    select 1
    from (
        select
            unnest(cast($tables as varchar[])) as table_name,
            unnest(cast($days as date[])) as day
    ) as replaced
    where
        replaced.table_name = lake_files.table_name
        and replaced.day is not distinct from lake_files.day
);
