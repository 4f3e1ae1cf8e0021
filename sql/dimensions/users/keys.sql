-- Takes the ids of all the source's users from the Arrow stream `source_rows` into staging.
create table staging.users_keys as
select user_id
from source_rows;
