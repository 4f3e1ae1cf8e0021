-- Finds in the files $files of the UTC days $days the rows with an id that rows may no longer have at the source:
-- those that are not staged leave these files.
insert into staging.removed_fact by name
select
    * exclude (file_index),
    cast($days as date[])[cast(file_index as bigint) + 1] as event_day
from (
    select
        fact_id,
        filed.file_index
    from read_parquet($files, hive_partitioning = false) as filed
    semi join staging.gone_touched_of_fact using (touched_id)
    anti join staging.fact using (fact_id)
    anti join staging.removed_fact using (fact_id)
) as found;
