-- server: who reads, and what this role may call.
-- grain: one row
select
    current_user::text as role,
    current_setting('server_version') as version,
    current_database()::text as database,
    array_to_string(
        array(
            select called.signature
            from (values ('pg_control_system()'), ('pg_control_checkpoint()')) as called (signature)
            where not has_function_privilege(called.signature, 'execute')
        ), ', '
    ) as forbidden_functions
