-- Takes memberships from the Arrow stream `source_rows` into staging.
-- grain: one row per conversation and user that this batch read
create table staging.participants as
select
    conversation_id,
    user_id,
    role,
    make_timestamp(epoch_us(joined_at)) as joined_at,
    make_timestamp(epoch_us(left_at)) as left_at
from source_rows;
