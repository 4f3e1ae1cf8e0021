-- Restricts the instance to these directories, irrevocably.
set allowed_directories = $directories;
set enable_external_access = false;
set lock_configuration = true;
