-- Takes out the record of the file of one table and day ($day null = a dimension).
delete from core.lake_files
where table_name = $table_name and day is not distinct from $day;
