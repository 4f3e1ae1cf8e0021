-- Takes all the source's memberships from the Arrow stream `source_rows` into staging.
create table staging.participants_keys as
select
    conversation_id,
    user_id
from source_rows;
