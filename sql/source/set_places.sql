-- Sets which rows this transaction's next SELECTs read: those at the places $1 and, of facts, those that the rows of
-- other tables at the places $2 touch, or whose touched_id is in $3, a JSON array of texts; only rows of the
-- coverage $4. The places are arrays of ctids as texts. They are few in any table for which a scan would not be
-- better, so nothing is scanned or joined by a scan.
-- grain: one row
select
    set_config('analytics.places', $1, true) as places,
    set_config('analytics.touched_places', $2, true) as touched_places,
    set_config('analytics.touched_ids', $3, true) as touched_ids,
    set_config('analytics.coverage', $4, true) as coverage,
    set_config('enable_hashjoin', 'off', true) as hash_joins,
    set_config('enable_mergejoin', 'off', true) as merge_joins,
    set_config('enable_seqscan', 'off', true) as sequential_scans
