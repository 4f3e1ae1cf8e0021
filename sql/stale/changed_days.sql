-- The days on which a fact has changed by more than edits.
-- grain: one row per fact and UTC day
select distinct
    fact,
    day
from temp.changed_days
order by fact, day;
