-- Inserts rows of core.message_outcomes from the files $files of an engine, ordered as in
-- sql/rollups/message_outcomes.sql.
insert into core.message_outcomes by name
select *
from read_parquet($files, hive_partitioning = false)
order by
    cast(created_at as date),
    reply_seconds is null,
    greatest(reply_seconds, answer_seconds, read_seconds) >= 512,
    created_at,
    conversation_key,
    sender_key;
