-- followed: the rows that touch a fact with `follows`, as touched/*.sql returns them; they are the messages. The
-- SELECT of the messages stands for followed_select.
-- grain: one row per message
select
    followed.row_version,
    followed.place,
    followed.message_id
from followed_select as followed
