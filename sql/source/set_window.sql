-- Sets what this transaction's next SELECTs read: rows at or after the watermark (the empty text reads
-- everything), whole days besides, days at all (the coverage), messages that are gone, and the range of places.
-- The server cannot estimate how few rows are read. So joins look rows up one by one unless everything is
-- read, and a range of places is never a scan of the whole table.
with plan (joins, scans) as (
    select
        case when $5 = '' and ($1 = '' or $2 = '{[,)}') then 'on' else 'off' end as joins,
        case when $5 = '' then 'on' else 'off' end as scans
)

select
    set_config('analytics.watermark', $1, true) as watermark,
    set_config('analytics.days', $2, true) as days,
    set_config('analytics.coverage', $3, true) as coverage,
    set_config('analytics.gone_messages', $4, true) as gone_messages,
    set_config('analytics.first_place', $5, true) as first_place,
    set_config('analytics.until_place', $6, true) as until_place,
    set_config('enable_hashjoin', joins, true) as hash_joins,
    set_config('enable_mergejoin', joins, true) as merge_joins,
    set_config('enable_seqscan', scans, true) as sequential_scans
from plan
