-- Takes events from the Arrow stream `source_rows` into staging.
-- grain: one row per event that this batch read
create table staging.events as
select
    event_id,
    event_type,
    user_id,
    conversation_id,
    make_timestamp(epoch_us(created_at)) as created_at
from source_rows;
