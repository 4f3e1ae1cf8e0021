-- Creates the empty list of rows that are gone; `gone` fills it.
create or replace table staging.gone_fact as
select fact_id
from staging.fact
where false;
