-- Looks for keys in the files $files of the UTC days $days. A row that is here on another day than it is staged
-- on, or is not staged, leaves this file. A key is in one file at most, so a key that is found is not sought again.
create or replace table staging.found_fact as
select
    * exclude (file_index),
    cast($days as date[])[cast(file_index as bigint) + 1] as event_day
from (
    select
        fact_id,
        sought.staged_day,
        filed.file_index
    from read_parquet($files, hive_partitioning = false) as filed
    inner join staging.sought_fact as sought using (fact_id)
) as found;

insert into staging.removed_fact by name
select * exclude (staged_day)
from staging.found_fact
where staged_day is distinct from event_day;

create or replace table staging.sought_fact as
select sought.*
from staging.sought_fact as sought
anti join staging.found_fact using (fact_id);
