-- Takes read receipts from the Arrow stream `source_rows` into staging.
-- grain: one row per message and user that this batch read
create table staging.read_receipts as
select
    message_id,
    user_id,
    conversation_id,
    make_timestamp(epoch_us(read_at)) as read_at,
    make_timestamp(epoch_us(message_created_at)) as message_created_at
from source_rows;
