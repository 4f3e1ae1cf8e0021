-- Finds the rows of members that are here and gone at the source: those that are not among the keys of all that the
-- source has.
-- grain: one row: how many
create or replace table staging.gone_dimension as
select
    known.conversation_key,
    known.user_key
from core.dimension as known
where
    (known.conversation_key, known.user_key) not in (
        select
            conversations.conversation_key,
            users.user_key
        from staging.keys_of_dimension as staged
        inner join core.dim_conversations as conversations on staged.conversation_id = conversations.conversation_id
        inner join core.dim_users as users on staged.user_id = users.user_id
    );

select count(*) as gone_rows
from staging.gone_dimension;
