-- Everything in which people's names and ids may stand.
-- grain: one row per thing
select
    id,
    subject,
    name,
    body
from things
order by id;
