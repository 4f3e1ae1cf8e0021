-- An attachment makes a message an image or a file.
-- grain: one row per attachment
select
    xmin as row_version,
    ctid as place,
    message_id
from attachments
