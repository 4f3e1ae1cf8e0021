-- core.user_days: Who was active on a day, and in which of its quarter-hours: bit n of a low mask is the quarter-hour that begins n times 15 minutes after midnight UTC, bit n of a high mask the one 12 hours later. Deleted and system messages do not count.
-- grain: one row per UTC day and user who wrote or read
create table core.user_days (
    day date,
    user_key integer,
    sent_count integer not null,
    read_count integer not null,
    sent_quarter_hours_low ubigint not null,
    sent_quarter_hours_high ubigint not null,
    read_quarter_hours_low ubigint not null,
    read_quarter_hours_high ubigint not null
);

comment on table core.user_days is 'Who was active on a day, and in which of its quarter-hours: bit n of a low mask is the quarter-hour that begins n times 15 minutes after midnight UTC, bit n of a high mask the one 12 hours later. Deleted and system messages do not count. Grain: one row per UTC day and user who wrote or read.';
comment on column core.user_days.day is 'UTC day';
comment on column core.user_days.user_key is 'the person: core.users.user_key';
comment on column core.user_days.sent_count is 'messages written';
comment on column core.user_days.read_count is 'messages read';
comment on column core.user_days.sent_quarter_hours_low is 'quarter-hours before noon with a message';
comment on column core.user_days.sent_quarter_hours_high is 'quarter-hours from noon with a message';
comment on column core.user_days.read_quarter_hours_low is 'quarter-hours before noon with a read';
comment on column core.user_days.read_quarter_hours_high is 'quarter-hours from noon with a read';
