-- metrics.user_activity_30d: What each person did in the last 30 days: wrote, read, in how many conversations.
-- grain: one row per user of the source
-- The numbers are those of metrics.user_activity_v2.
create or replace view metrics.user_activity_30d as
with sent as (
    select
        found.user_key,
        sum(found.message_count) as message_count,
        count(distinct found.conversation_key) as conversation_count
    from core.message_rows(since := core.data_through() - interval 30 days, until := null) as found
    where not found.is_system and found.user_key is not null
    group by found.user_key
),

received as (
    select
        found.user_key,
        sum(found.read_count) as read_count
    from core.read_rows(since := core.data_through() - interval 30 days, until := null) as found
    where found.user_key is not null
    group by found.user_key
),

own as (
    select
        found.user_key,
        sum(found.read_count) as read_count
    from core.own_read_rows(since := core.data_through() - interval 30 days, until := null) as found
    group by found.user_key
)

select
    users.user_id, -- id at the source
    case when users.deleted_at is null then users.username end as username, -- name; null for deleted people
    users.is_bot, -- whether the user is a program
    cast(coalesce(sent.message_count, 0) as bigint) as messages_sent, -- neither deleted nor system messages
    case
        when core.is_available('read_receipts')
            then cast(coalesce(received.read_count, 0) - coalesce(own.read_count, 0) as bigint)
    end as messages_read, -- receipts of others' messages; null = the source does not tell
    coalesce(sent.conversation_count, 0) as active_conversations, -- in which the person wrote
    core.per_day_of(
        amount := coalesce(sent.message_count, 0), microseconds := 30 * 86400000000
    ) as avg_messages_per_day -- messages_sent divided by 30
from core.dim_users as users
left join sent on users.user_key = sent.user_key
left join received on users.user_key = received.user_key
left join own on users.user_key = own.user_key
where users.in_source and coalesce(users.created_at < core.data_through(), true);
