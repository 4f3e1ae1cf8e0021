-- people: every user id that any row mentions; asked only where people were erased, before full sums.
-- grain: one row per user id
select id as user_id
from users
union
select user_id
from conversation_participants
union
select sender_id as user_id
from messages
union
select user_id
from message_read_receipts
union
select user_id
from analytics_events
