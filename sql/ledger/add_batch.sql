-- Records a batch and keeps the last hundred.
insert into core.batches
values (
    $batch, $data_through, $snapshot, $rows_read, $rows_changed, $days_rebuilt, $read_ms, $fold_ms, $held_back_by,
    $mode, $mode_reason
);

delete from core.batches
where batch <= $batch - 100;
