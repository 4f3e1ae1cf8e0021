-- Arithmetic of metrics: exact averages and shares, and the whole days and quarter-hours of a period.
-- Nothing here reads a table. DuckDB's own division of DECIMALs returns a DOUBLE; these macros divide
-- whole numbers, none of them negative, and round half away from zero; where the divisor is 0 the
-- result is 0. A period is [since, until) in UTC. Rollups answer for its whole days or quarter-hours;
-- its ragged ends come from the facts.

-- total / amount, one decimal
create or replace macro core.average_of(total, amount) as (
    cast(coalesce(
        (cast(total as hugeint) * 20 + amount) // nullif(cast(amount as hugeint) * 2, 0), 0
    ) as decimal(18, 0)) * cast(0.1 as decimal(2, 1))
);

-- 100 * part / whole, two decimals
create or replace macro core.percent_of(part, whole) as (
    cast(coalesce(
        (cast(part as hugeint) * 20000 + whole) // nullif(cast(whole as hugeint) * 2, 0), 0
    ) as decimal(18, 0)) * cast(0.01 as decimal(3, 2))
);

-- part / whole, two decimals
create or replace macro core.ratio_of(part, whole) as (
    cast(coalesce(
        (cast(part as hugeint) * 200 + whole) // nullif(cast(whole as hugeint) * 2, 0), 0
    ) as decimal(18, 0)) * cast(0.01 as decimal(3, 2))
);

-- amount per day of 24 hours, two decimals
create or replace macro core.per_day_of(amount, microseconds) as (
    cast(coalesce(
        (cast(amount as hugeint) * 200 * 86400000000 + microseconds) // nullif(cast(microseconds as hugeint) * 2, 0), 0
    ) as decimal(18, 0)) * cast(0.01 as decimal(3, 2))
);

-- the end of a period: until, or data_through where until is null
create or replace macro core.end_of(until) as (
    coalesce(until, core.data_through())
);

-- the length of a period in microseconds
create or replace macro core.length_of_period(since, until) as (
    epoch_us(core.end_of(until)) - epoch_us(since)
);

-- true, or an error that says what is wrong with a period
create or replace macro core.is_period(since, until) as (
    case
        when since is null then error('since is missing: give since := ''2026-11-01'' (UTC) or days := 30')
        when since > core.end_of(until) then error('since is after until')
        else true
    end
);

-- errors_of: no row; evaluates a condition that raises an error unless it is true.
-- A UNION ALL adds it to an answer. As a condition on the rows of the answer it would not be evaluated
-- where there are no rows; nor would it be after a filter that removes this row.
create or replace macro core.errors_of(condition) as table
    select checked.nothing
    from (
        select
            null as nothing,
            condition as is_right
    ) as checked
    where not checked.is_right;

-- period_errors: no row, or the error that says what is wrong with a period.
create or replace macro core.period_errors(since, until) as table
    select errors.nothing
    from core.errors_of(core.is_period(since := since, until := until)) as errors;

-- whether an instant lies in a period
create or replace macro core.is_in_period(instant, since, until) as (
    instant >= since and instant < core.end_of(until)
);

-- the first UTC day that begins in a period
create or replace macro core.first_whole_day(since) as (
    cast(since as date) + cast(since > cast(cast(since as date) as timestamp) as integer)
);

-- the day after the last whole UTC day of a period; the first whole day where there is none
create or replace macro core.end_of_whole_days(since, until) as (
    greatest(cast(core.end_of(until) as date), core.first_whole_day(since))
);

-- whether a UTC day lies in a period, all of it
create or replace macro core.is_whole_day(utc_day, since, until) as (
    utc_day >= core.first_whole_day(since)
    and utc_day < core.end_of_whole_days(since := since, until := until)
);

-- whether an instant lies in a period, but on none of its whole UTC days
create or replace macro core.is_on_ragged_day(instant, since, until) as (
    core.is_in_period(instant := instant, since := since, until := until)
    and not (
        instant >= cast(core.first_whole_day(since) as timestamp)
        and instant < cast(core.end_of_whole_days(since := since, until := until) as timestamp)
    )
);

-- whether a UTC day lies before the end of a period, all of it
create or replace macro core.is_whole_day_before(utc_day, until) as (
    core.is_whole_day(utc_day := utc_day, since := timestamp '0001-01-01', until := until)
);

-- whether an instant lies before the end of a period, on the day that it cuts, or on a ragged day of the period
create or replace macro core.is_on_ragged_day_before(instant, since, until) as (
    core.is_on_ragged_day(instant := instant, since := timestamp '0001-01-01', until := until)
    or core.is_on_ragged_day(instant := instant, since := since, until := until)
);

-- the UTC quarter-hour of an instant
create or replace macro core.quarter_hour_of(instant) as (
    time_bucket(interval 15 minutes, instant)
);

-- the first UTC quarter-hour that begins in a period
create or replace macro core.first_whole_quarter_hour(since) as (
    core.quarter_hour_of(since + interval 15 minutes - interval 1 microsecond)
);

-- the end of the last whole quarter-hour of a period; the first whole quarter-hour where there is none
create or replace macro core.end_of_whole_quarter_hours(since, until) as (
    greatest(core.quarter_hour_of(core.end_of(until)), core.first_whole_quarter_hour(since))
);

-- whether an instant lies in one of the whole quarter-hours of a period
create or replace macro core.is_in_whole_quarter_hour(instant, since, until) as (
    instant >= core.first_whole_quarter_hour(since)
    and instant < core.end_of_whole_quarter_hours(since := since, until := until)
);

-- whether an instant lies in a period, but in none of its whole quarter-hours
create or replace macro core.is_in_ragged_quarter_hour(instant, since, until) as (
    core.is_in_period(instant := instant, since := since, until := until)
    and not core.is_in_whole_quarter_hour(instant := instant, since := since, until := until)
);
