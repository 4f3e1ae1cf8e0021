-- After a full read the staged memberships are all the source has.
create view staging.participants_keys as
select
    conversation_id,
    user_id
from staging.participants;
