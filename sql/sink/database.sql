-- Which database this is, as the manifest of a generation of it says.
-- grain: one row
select
    (select system_identifier::text from pg_control_system()) as system_identifier,
    (select timeline_id from pg_control_checkpoint()) as timeline,
    (
        select oid::text || ' ' || datname::text from pg_database
        where datname = current_database()
    ) as database
