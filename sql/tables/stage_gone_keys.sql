-- Stages the keys of rows that were updated or deleted at the source from the Arrow table `source_rows`, which has
-- texts: each gets the type that its column has in staging.
-- grain: one row per key
create or replace table staging.gone_keys_of_fact as
select fact_id
from staging.fact
where false;

insert into staging.gone_keys_of_fact by name
select *
from source_rows;
