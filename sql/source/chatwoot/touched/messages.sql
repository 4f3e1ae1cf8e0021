-- An attachment makes a message an image or a file.
-- grain: one row per attachment
select
    xmin as row_version,
    message_id
from attachments
