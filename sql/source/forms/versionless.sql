-- A SELECT of a table that is read whole in every cycle: its rows have no version and no place.
-- grain: as the table's
select
    null::xid as row_version,
    null::tid as place,
    unversioned.*
from unversioned
