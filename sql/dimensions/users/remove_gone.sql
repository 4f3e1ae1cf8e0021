-- The users in staging.gone_users, which the source no longer has (hard-deleted): what is known of them goes, the
-- key stays for the facts that mention it.
update core.dim_users
set
    username = null,
    is_bot = null,
    created_at = null,
    deleted_at = null,
    in_source = false
where user_id in (select user_id from staging.gone_users);
