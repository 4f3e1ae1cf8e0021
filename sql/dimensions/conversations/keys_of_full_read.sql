-- After a full read the staged conversations are all the source has.
create view staging.conversations_keys as
select conversation_id
from staging.conversations;
