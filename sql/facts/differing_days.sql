-- Proves the UTC days $days: compares their staged rows, which are all that the source has, with their
-- day files $files. Rows that are new since the watermark, and what they replace, are not differences.
-- grain: one row per UTC day that differs, with how many rows here the source does not have as they are
with staged as (
    select *
    from staging.fact
    where cast(event_time as date) in (select unnest(cast($days as date[])))
),

new as (
    select *
    from staging.fact
    where is_new
),

known as (
    select filed.*
    from read_parquet($files, hive_partitioning = false) as filed
    anti join new using (fact_id)
),

differing as (
    select
        cast(event_time as date) as event_day,
        true as is_here
    from (
        select *
        from known
        except all
        select * exclude (is_new)
        from staged
    ) as extra
    union all
    select
        cast(event_time as date) as event_day,
        false as is_here
    from (
        select * exclude (is_new)
        from staged
        where not is_new
        except all
        select *
        from known
    ) as missing
)

select
    event_day,
    count(*) filter (where is_here) as extra_rows,
    count(*) filter (where not is_here) as missing_rows
from differing
group by event_day
order by event_day;
