-- A few numbers of a generation, which show that a cycle worked.
-- grain: one row
with week_days as (
    select
        user_days.day,
        user_days.user_key
    from core.user_days as user_days
    cross join main.generation as generation
    where
        user_days.sent_count > 0
        and user_days.day > cast(generation.data_through as date) - 7
        and user_days.day <= cast(generation.data_through as date)
)

select
    (select count(*) from main.messages) as messages,
    (
        select count(*) from main.messages as messages
        where messages.deleted_at is not null
    ) as deleted_messages,
    (select count(distinct message_days.day) from core.message_days as message_days) as days,
    (select count(*) from main.conversations) as conversations,
    (select count(*) from main.users) as users,
    count(*) as sender_days,
    count(distinct week_days.user_key) as week_senders
from week_days;
