-- Sets which part of a table this transaction's next range is: rows whose place (ctid) is at or after
-- the first and before the second, of the days of the coverage.
select
    set_config('analytics.first_place', $1, true) as first_place,
    set_config('analytics.until_place', $2, true) as until_place,
    set_config('analytics.coverage', $3, true) as coverage
