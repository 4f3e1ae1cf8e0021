-- Inserts a user and their conversation into empty dimensions: without a row DuckDB does not compare an id with what
-- is given for one, and does not say that it cannot.
-- grain: one row
insert into core.dim_users by name
select
    0 as user_key,
    cast($user_id as user_id_type) as user_id,
    true as is_bot,
    true as in_source;

insert into core.dim_conversations by name
select
    0 as conversation_key,
    cast($conversation_id as conversation_id_type) as conversation_id,
    'group' as conversation_type,
    true as in_source;

insert into core.dim_participants by name
select
    0 as conversation_key,
    0 as user_key;
