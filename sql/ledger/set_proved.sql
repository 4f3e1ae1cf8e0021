-- Notes when the files of some tables and days were last proved equal to the source; the two lists
-- go together by position, and a null day stands for a dimension.
update core.lake_files
set proved_at = $proved_at
where exists (
    select 1
    from (
        select
            unnest(cast($tables as varchar[])) as table_name,
            unnest(cast($days as date[])) as day
    ) as proved
    where
        proved.table_name = lake_files.table_name
        and proved.day is not distinct from lake_files.day
);
