-- Users that the source no longer has (hard-deleted): what is known of them goes, the key stays
-- for the facts that mention it. staging.keys_of_users holds the ids of all the source's users.
update core.dim_users
set
    username = null,
    is_bot = null,
    created_at = null,
    deleted_at = null,
    in_source = false
where in_source and user_id not in (select user_id from staging.keys_of_users);
