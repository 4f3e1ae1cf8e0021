-- core.event_quarters: Events counted by quarter-hour, for timelines in any time zone.
-- grain: one row per UTC quarter-hour and event type
create table core.event_quarters (
    quarter_at timestamp not null,
    event_type varchar,
    event_count integer not null
);

comment on table core.event_quarters is 'Events counted by quarter-hour, for timelines in any time zone. Grain: one row per UTC quarter-hour and event type.';
comment on column core.event_quarters.quarter_at is 'beginning of the quarter-hour, UTC; or the instant within it at which the clocks of some zone changed (core.clock_changes)';
comment on column core.event_quarters.event_type is 'as at the source';
comment on column core.event_quarters.event_count is 'events';
