-- Collects the ids that staged rows mention: those without a row in their dimension get a placeholder.
-- grain: one row per pair of ids
insert into staging.mentioned
select distinct
    conversation_id,
    person_id as user_id
from staging.fact;
