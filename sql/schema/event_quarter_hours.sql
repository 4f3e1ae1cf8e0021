-- core.event_quarter_hours: Events counted by quarter-hour, for timelines in any time zone.
-- grain: one row per UTC quarter-hour and event type
create table core.event_quarter_hours (
    quarter_at timestamp not null,
    event_type varchar,
    event_count integer not null
);

comment on table core.event_quarter_hours is 'Events counted by quarter-hour, for timelines in any time zone. Grain: one row per UTC quarter-hour and event type.';
comment on column core.event_quarter_hours.quarter_at is 'beginning of the quarter-hour, UTC; or the instant within it at which the clocks of some zone changed (core.clock_changes)';
comment on column core.event_quarter_hours.event_type is 'as at the source';
comment on column core.event_quarter_hours.event_count is 'events';
