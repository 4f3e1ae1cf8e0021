-- core.clock_changes: The instants, not at a quarter-hour of UTC, at which the clocks of some time zone changed.
-- grain: one row per such instant; a quarter-hour of UTC has one at most
-- The quarters' rollups begin a new row there, so that a timeline in any zone can add them up.
create or replace view core.clock_changes as
select distinct
    time_bucket(interval 15 minutes, from_utc) as began_at,
    from_utc as changed_at
from core.tz_spans
where from_utc > timestamp '1979-10-01' and from_utc <> time_bucket(interval 15 minutes, from_utc);

comment on view core.clock_changes is 'The instants, not at a quarter-hour of UTC, at which the clocks of some time zone changed. Grain: one row per such instant; a quarter-hour of UTC has one at most.';
comment on column core.clock_changes.began_at is 'beginning of its quarter-hour, UTC';
comment on column core.clock_changes.changed_at is 'the instant, UTC';
