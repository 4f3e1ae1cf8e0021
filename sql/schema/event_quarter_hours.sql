-- core.event_quarter_hours: Events counted by quarter-hour and type.
-- grain: one row per UTC quarter-hour and event type; two where a clock changed within it
-- A timeline in any time zone is a sum of these rows, as with core.message_quarter_hours.
-- Empty, which is not 0, where the source has none: core.is_available('events') tells.
create table core.event_quarter_hours (
    quarter_at timestamp not null, -- start of the quarter-hour, or the change within it (core.clock_changes), UTC
    event_type varchar, -- as at the source
    event_count integer not null -- events
);
