-- core.message_quarter_hours: Messages that are not deleted, counted by quarter-hour: a timeline in any time zone adds these up, since every offset in use is a multiple of 15 minutes and a quarter-hour in which clocks changed has two rows.
-- grain: one row per UTC quarter-hour
create table core.message_quarter_hours (
    quarter_at timestamp not null,
    message_count integer not null
);

comment on table core.message_quarter_hours is 'Messages that are not deleted, counted by quarter-hour: a timeline in any time zone adds these up, since every offset in use is a multiple of 15 minutes and a quarter-hour in which clocks changed has two rows. Grain: one row per UTC quarter-hour.';
comment on column core.message_quarter_hours.quarter_at is 'beginning of the quarter-hour, UTC; or the instant within it at which the clocks of some zone changed (core.clock_changes)';
comment on column core.message_quarter_hours.message_count is 'messages';
