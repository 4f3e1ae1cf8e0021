-- Takes users from the Arrow stream `source_rows` into staging.
-- grain: one row per user that this batch read
create table staging.users as
select
    user_id,
    username,
    is_bot,
    make_timestamp(epoch_us(created_at)) as created_at,
    make_timestamp(epoch_us(deleted_at)) as deleted_at
from source_rows;
