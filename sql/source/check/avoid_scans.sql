-- Until set_window sets them again, plans scan a table whole only where no index can be used, however small it is.
-- Materialize would keep the rows of such a scan for all rows of the other side, which is cheap in a small table.
-- grain: one row
select
    set_config('enable_seqscan', 'off', true) as sequential_scans,
    set_config('enable_material', 'off', true) as materialize
