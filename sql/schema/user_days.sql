-- core.user_days: Who wrote or read on a day, how much, and in which quarter-hours of the day.
-- grain: one row per UTC day and user who wrote or read
-- Deleted and system messages do not count. Bit n of a low mask is the quarter-hour that begins n times
-- 15 minutes after midnight UTC, bit n of a high mask the one 12 hours later: the masks answer whether
-- somebody was active on a day of any time zone.
-- Reads are 0, which they are not, where the source has none: core.is_available('read_receipts') tells.
create table core.user_days (
    day date, -- UTC day
    user_key integer, -- the user: core.dim_users.user_key
    sent_count integer not null, -- messages written
    read_count integer not null, -- messages read
    sent_quarter_hours_low ubigint not null, -- mask of the quarter-hours before noon with a message
    sent_quarter_hours_high ubigint not null, -- mask of the quarter-hours from noon with a message
    read_quarter_hours_low ubigint not null, -- mask of the quarter-hours before noon with a read
    read_quarter_hours_high ubigint not null -- mask of the quarter-hours from noon with a read
);
