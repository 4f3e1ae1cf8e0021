-- The rows of members in staging.gone_dimension, which the source no longer has: they end.
delete from core.dimension
where (conversation_key, user_key) in (
    select
        conversation_key,
        user_key
    from staging.gone_dimension
);
