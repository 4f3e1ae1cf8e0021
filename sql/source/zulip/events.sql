-- events: the audit log, by Zulip's numbers, such as `audit.301` for a new subscription.
-- grain: one row per entry
select
    log.xmin as row_version,
    log.ctid as place,
    log.id as event_id,
    'audit.' || log.event_type as event_type,
    coalesce(log.modified_user_id, log.acting_user_id) as user_id,
    recipient.id::text as conversation_id,
    log.event_time as created_at
from zerver_realmauditlog as log
left join zerver_recipient as recipient on log.modified_stream_id = recipient.type_id and recipient.type = 2
