-- Creates the empty list of rows that leave their day files; `find_removed` and `find_gone_touched` fill it.
create or replace table staging.removed_fact as
select
    fact_id,
    cast(null as date) as event_day
from staging.fact
where false;
