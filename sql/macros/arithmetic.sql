-- Arithmetic of metrics: rounding on whole numbers, half away from zero, and the days of a window.
-- Nothing here sees a table. DuckDB's own division of DECIMALs gives a DOUBLE, which rounds as it likes.
-- All amounts are whole numbers and not negative; where there is nothing to divide by, the result is 0.

-- one decimal: total / amount
create or replace macro core.average_of(total, amount) as (
    cast(coalesce(
        (cast(total as hugeint) * 20 + amount) // nullif(cast(amount as hugeint) * 2, 0), 0
    ) as decimal(18, 0)) * cast(0.1 as decimal(2, 1))
);

-- two decimals: 100 * part / whole
create or replace macro core.percent_of(part, whole) as (
    cast(coalesce(
        (cast(part as hugeint) * 20000 + whole) // nullif(cast(whole as hugeint) * 2, 0), 0
    ) as decimal(18, 0)) * cast(0.01 as decimal(3, 2))
);

-- two decimals: amount / days, where the days are given in microseconds
create or replace macro core.per_day_of(amount, microseconds) as (
    cast(coalesce(
        (cast(amount as hugeint) * 200 * 86400000000 + microseconds) // nullif(cast(microseconds as hugeint) * 2, 0), 0
    ) as decimal(18, 0)) * cast(0.01 as decimal(3, 2))
);

-- the first UTC day of which a window that begins at from_at misses nothing
create or replace macro core.first_whole_day(from_at) as (
    cast(from_at as date) + cast(from_at > cast(cast(from_at as date) as timestamp) as integer)
);

-- the day after the last whole one of [from_at, to_at); the first whole day where there is none
create or replace macro core.end_of_whole_days(from_at, to_at) as (
    greatest(cast(to_at as date), core.first_whole_day(from_at))
);

-- whether an instant lies in [from_at, to_at), and not on one of its whole days
create or replace macro core.is_on_ragged_day(instant, from_at, to_at) as (
    instant >= from_at
    and instant < to_at
    and not (
        instant >= cast(core.first_whole_day(from_at) as timestamp)
        and instant < cast(core.end_of_whole_days(from_at, to_at) as timestamp)
    )
);

-- whether somebody who joined and left then is present at an instant; nothing at or after it counts
create or replace macro core.is_present(joined, gone, instant) as (
    coalesce(joined < instant, true) and coalesce(gone >= instant, true)
);

-- true, or an error that says what is wrong with a window
create or replace macro core.is_window(from_at, to_at) as (
    case
        when from_at is null then error('since is missing: give a timestamp in UTC')
        when from_at > to_at then error('since is after until')
        else true
    end
);

-- refused: no row for a question that is right; for another one the error that says why it is not
-- Stands in a UNION ALL beside an answer: a filter on rows says nothing where there is no row.
create or replace macro core.refused(is_right) as table
    select true as is_refused
    where not is_right;

-- the unit that date_trunc knows, and the length, of buckets; an hour has no place here
create or replace macro core.unit_of(word) as (
    case word when 'monthly' then 'month' when 'weekly' then 'week' else 'day' end
);

create or replace macro core.length_of(word) as (
    case word when 'monthly' then interval 1 month when 'weekly' then interval 7 days else interval 1 day end
);

-- the UTC quarter-hour of an instant
create or replace macro core.quarter_of(instant) as (
    time_bucket(interval 15 minutes, instant)
);

-- the first quarter-hour of which a window that begins at from_at misses nothing
create or replace macro core.first_whole_quarter(from_at) as (
    core.quarter_of(from_at + interval 15 minutes - interval 1 microsecond)
);

-- the end of the last whole quarter-hour of [from_at, to_at); the first one where there is none
create or replace macro core.end_of_whole_quarter_hours(from_at, to_at) as (
    greatest(core.quarter_of(to_at), core.first_whole_quarter(from_at))
);

-- whether an instant lies in [from_at, to_at), and not in one of its whole quarter-hours
create or replace macro core.is_in_ragged_quarter(instant, from_at, to_at) as (
    instant >= from_at
    and instant < to_at
    and not (
        instant >= core.first_whole_quarter(from_at)
        and instant < core.end_of_whole_quarter_hours(from_at, to_at)
    )
);
