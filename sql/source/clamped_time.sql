-- clamped_time: `event_time` within the years 1 to 9999, which the driver and Python can hold. A time beyond
-- them, infinity included, is read as the nearest time within. What follows `select` becomes part of each form's
-- SELECT list, once for each time.
select
    case
        when event_time < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when event_time > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else event_time
    end
