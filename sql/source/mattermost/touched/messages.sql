-- A file makes a post an image or a file.
-- grain: one row per file
select
    xmin as row_version,
    ctid as place,
    postid as message_id
from fileinfo
