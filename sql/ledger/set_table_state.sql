-- Records how far one table has been read: this moves the watermark.
delete from core.table_states
where table_name = $table_name;

insert into core.table_states
values (
    $table_name, $watermark, $relation, $columns, $source_rows, $row_count, $outside_rows, $is_available, $refused_rows
);
