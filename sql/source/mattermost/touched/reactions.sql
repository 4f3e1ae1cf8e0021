-- A reaction carries the channel and the time of its post.
-- grain: one row per post
select
    xmin as row_version,
    ctid as place,
    id as message_id
from posts
