-- core.message_quarter_hours: Messages that are not deleted, counted by quarter-hour.
-- grain: one row per UTC quarter-hour; two where a clock changed within it
-- A timeline in any time zone is a sum of these rows: every offset in use is a multiple of 15 minutes, and
-- a quarter-hour in which the clocks of some zone changed has two rows.
create table core.message_quarter_hours (
    quarter_at timestamp not null, -- start of the quarter-hour, or the change within it (core.clock_changes), UTC
    message_count integer not null -- messages
);
