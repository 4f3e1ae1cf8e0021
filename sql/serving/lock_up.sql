-- Nothing outside these directories from here on, and no way back.
set allowed_directories = $directories;
set enable_external_access = false;
set lock_configuration = true;
