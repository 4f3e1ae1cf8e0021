-- Sets the base for this transaction's next SELECTs; the empty text reads whole tables.
select set_config('analytics.base', $1, true) as base
