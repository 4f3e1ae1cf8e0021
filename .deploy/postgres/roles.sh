#!/bin/sh
# Run once by the image of PostgreSQL, on a new database: the roles of the pipeline and of POST /events.
# The grants are those of `messenger-analytics source role` and of api/README.md; a test compares them.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set=etl_password="$ETL_PASSWORD" --set=events_password="$EVENTS_PASSWORD" <<'SQL'
create role analytics_etl login password :'etl_password';
grant usage on schema public to analytics_etl;
grant select on
    users, conversations, conversation_participants, messages, message_read_receipts,
    analytics_events
to analytics_etl;
grant pg_read_all_stats to analytics_etl;
create role analytics_events_writer login password :'events_password';
grant usage on schema public to analytics_events_writer;
grant insert, select (id) on analytics_events to analytics_events_writer;
SQL
