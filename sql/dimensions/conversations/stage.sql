-- Takes conversations from the Arrow stream `source_rows` into staging.
-- grain: one row per conversation that this batch read
create table staging.conversations as
select
    conversation_id,
    conversation_type,
    title,
    make_timestamp(epoch_us(created_at)) as created_at
from source_rows;
