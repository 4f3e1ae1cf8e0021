-- core.clock_changes: Changes of the clock of any time zone within a quarter-hour of UTC, not at its start.
-- grain: one row per instant of a change; a quarter-hour of UTC has one at most
-- The rollups by quarter-hour begin a new row there, so that a timeline in any zone is a sum of their rows.
create or replace view core.clock_changes as
select distinct
    time_bucket(interval 15 minutes, from_utc) as began_at, -- start of its quarter-hour, UTC
    from_utc as changed_at -- the instant of the change, UTC
from core.tz_spans
where from_utc > timestamp '1979-10-01' and from_utc <> time_bucket(interval 15 minutes, from_utc);
