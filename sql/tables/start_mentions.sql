-- Creates the empty list of ids that rows mention; `mention_staged` and `mention_files` fill it.
create or replace table staging.mentioned (conversation_id conversation_id_type, user_id user_id_type);
