-- The rows of a fact about messages, as in fact_rows.sql, and besides the rows of each message whose own
-- version is at or after the watermark, or that is gone: they carry that message's conversation and time.
-- grain: as the fact's
-- Three branches, never two for one row: all rows or those of whole days; other new rows; other rows of
-- changed messages. `any(array(...))` looks these up in the index on message_id.
select
    fact_columns,
    is_new
from (
    select
        mapped.*,
        (select current_setting('analytics.watermark') = '')
        or age(mapped.row_version) between 0
        and (select age(nullif(current_setting('analytics.watermark'), '')::xid)) as is_new
    from mapped
    where
        (select current_setting('analytics.watermark') = '')
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
        (select current_setting('analytics.watermark') <> '')
        and age(mapped.row_version) between 0
        and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
        and not (
            (select current_setting('analytics.days') <> '{}')
            and mapped.event_time <@ (select current_setting('analytics.days')::tstzmultirange)
        )
    union all
    select
        mapped.*,
        true as is_new
    from mapped
    where
        (select current_setting('analytics.watermark') <> '')
        and mapped.message_id = any(array(
            select messages.message_id
            from messages_mapped as messages
            where
                age(messages.row_version) between 0
                and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
            union
            select unnest((select current_setting('analytics.gone_messages')::uuid[]))
        ))
        and not age(mapped.row_version) between 0
        and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
        and not (
            (select current_setting('analytics.days') <> '{}')
            and mapped.event_time <@ (select current_setting('analytics.days')::tstzmultirange)
        )
) as found
where
    (select current_setting('analytics.coverage') = '{[,)}')
    or event_time <@ (select current_setting('analytics.coverage')::tstzmultirange)
