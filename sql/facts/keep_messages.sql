-- Gives staged rows the conversation and time of their message where the source no longer has it and it stays
-- here: it is in the day files $files of messages, and not among those that go.
update staging.fact
set
    conversation_id = coalesce(fact.conversation_id, kept.conversation_id),
    message_created_at = kept.created_at
from (
    select distinct on (filed.message_id)
        filed.message_id,
        filed.conversation_id,
        filed.created_at
    from read_parquet($files, hive_partitioning = false) as filed
    where
        filed.message_id in (
            select orphan.message_id
            from staging.fact as orphan
            where orphan.message_created_at is null
        )
        and filed.message_id not in (select gone.message_id from staging.gone_messages as gone)
) as kept
where fact.message_id = kept.message_id and fact.message_created_at is null;
