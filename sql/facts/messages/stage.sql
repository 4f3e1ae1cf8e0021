-- Takes messages from the Arrow stream `source_rows` into staging.
-- grain: one row per message that this batch read
-- make_timestamp(epoch_us()) drops the zone without asking ICU; a TIMESTAMP here is always UTC.
create table staging.messages as
select
    message_id,
    conversation_id,
    sender_id,
    message_type,
    content_length,
    make_timestamp(epoch_us(created_at)) as created_at,
    make_timestamp(epoch_us(edited_at)) as edited_at,
    make_timestamp(epoch_us(deleted_at)) as deleted_at
from source_rows;
