-- After a full read the staged users are all the source has.
create view staging.users_keys as
select user_id
from staging.users;
