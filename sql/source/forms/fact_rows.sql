-- The rows of a fact whose version is at or after the watermark, all rows of the days that are read whole, and
-- the rows that were touched: their values changed because a row of another table did. In each case only rows of
-- the coverage.
-- grain: as the fact's
-- All ages are computed in this statement, on this connection: age() counts from the transaction's own next
-- xid, so an age computed elsewhere loses rows silently. The branches never return one row twice; in the second
-- one `any(array(...))` looks the rows up in the index on touched_id.
with touched_now as (
    select touched.touched_id
    from touched
    where age(touched.row_version) between 0 and (select age(current_setting('analytics.watermark')::xid))
    union
    select gone.id::touched_id_type as touched_id
    from jsonb_array_elements_text((select current_setting('analytics.gone_messages')::jsonb)) as gone (id)
)

select
    fact_columns,
    is_new
from (
    select
        mapped.*,
        age(mapped.row_version) between 0 and (select age(current_setting('analytics.watermark')::xid))
        or mapped.touched_id in (select touched_now.touched_id from touched_now) as is_new
    from mapped
    where
        age(mapped.row_version) between 0 and (select age(current_setting('analytics.watermark')::xid))
        or (
            (select current_setting('analytics.days') <> '{}')
            and mapped.event_time <@ (select current_setting('analytics.days')::tstzmultirange)
        )
    union all
    select
        mapped.*,
        true as is_new
    from mapped
    where
        mapped.touched_id = any(array(select touched_now.touched_id from touched_now))
        and not age(mapped.row_version) between 0 and (select age(current_setting('analytics.watermark')::xid))
        and not (
            (select current_setting('analytics.days') <> '{}')
            and mapped.event_time <@ (select current_setting('analytics.days')::tstzmultirange)
        )
) as found
where
    (select current_setting('analytics.coverage') = '{[,)}')
    or event_time <@ (select current_setting('analytics.coverage')::tstzmultirange)
