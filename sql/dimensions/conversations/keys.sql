-- Takes the ids of all the source's conversations from the Arrow stream `source_rows` into staging.
create table staging.conversations_keys as
select conversation_id
from source_rows;
