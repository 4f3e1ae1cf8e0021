-- clamped_time: `event_time` within the years 1 to 9999, which the driver and Python can hold. A time beyond
-- them, infinity included, is read as the nearest time within. What follows `select` becomes part of each form's
-- SELECT list, once for each time.
-- These are the functions of the aggregates min and max. Unlike LEAST and GREATEST they return null for null, and
-- unlike a CASE they mention the time once: what the mapping computes is computed once.
select
    timestamptz_larger(
        timestamptz_smaller(event_time, '9999-12-31 23:59:59.999999+00'), '0001-01-01 00:00:00+00'
    )
