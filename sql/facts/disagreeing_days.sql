-- Finds those of the UTC days $days, which span [$since, $until), on which the warehouse does
-- not hold what the lake holds: the rows in temp.keyed_fact, derived from the day files.
-- grain: one row per UTC day that differs
with compared as (
    select
        *,
        true as is_filed
    from temp.keyed_fact
    union all by name
    select
        *,
        false as is_filed
    from core.fact
    where
        event_time >= $since
        and event_time < $until
        and cast(event_time as date) in (select unnest(cast($days as date[])))
),

hashed as (
    select
        cast(event_time as date) as day,
        is_filed,
        cast(hash(*columns(* exclude (is_filed))) as hugeint) as row_hash
    from compared
)

select day
from hashed
group by day
having
    count(*) filter (where is_filed) <> count(*) filter (where not is_filed)
    or sum(row_hash) filter (where is_filed) is distinct from sum(row_hash) filter (where not is_filed)
order by day;
