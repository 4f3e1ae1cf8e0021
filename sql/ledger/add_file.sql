-- Records a lake file; `forget_file` takes out the one it replaces.
insert into core.lake_files
values ($table_name, $day, $path, $batch, $row_count, $byte_count);
