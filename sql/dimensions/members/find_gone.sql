-- Finds the rows of members that are here and gone at the source: those whose keys a feed told, and that are not
-- staged.
-- grain: one row: how many
create or replace table staging.gone_dimension as
select
    known.conversation_key,
    known.user_key
from staging.gone_keys_of_dimension as changed
anti join staging.dimension using (conversation_id, user_id)
inner join core.dim_conversations as conversations on changed.conversation_id = conversations.conversation_id
inner join core.dim_users as users on changed.user_id = users.user_id
inner join core.dimension as known
    on conversations.conversation_key = known.conversation_key and users.user_key = known.user_key;

select count(*) as gone_rows
from staging.gone_dimension;
