-- Finds what is stale because somebody became a bot or a person: a new key has no facts yet, so only those of
-- temp.known_users count. The rollups tell the days, and a day whose facts this batch changes is stale anyway.
-- grain: one row per fact and UTC day with rows of such a user
create or replace temporary table temp.changed_users as
select known.user_key
from temp.known_users as known
inner join core.dim_users as users on known.user_key = users.user_key
where known.is_bot <> coalesce(users.is_bot, false);

insert into temp.stale_outcomes by name
with shifts as (
    select unnest([-1, 0, 1]) as shift
),

written as (
    select distinct
        days.conversation_key,
        days.day
    from core.message_days as days
    semi join temp.changed_users as changed on days.sender_key = changed.user_key
    where days.conversation_key is not null
),

reads as (
    select distinct
        days.conversation_key,
        days.day
    from core.read_days as days
    semi join temp.changed_users as changed on days.user_key = changed.user_key
    where days.conversation_key is not null
)

-- who writes next to them has other neighbours now
select
    written.conversation_key,
    written.day + shifts.shift as day
from written
cross join shifts
union
-- they read messages of this day and of the day before
select
    reads.conversation_key,
    reads.day + shifts.shift as day
from reads
cross join shifts
where shifts.shift <= 0;

select distinct
    'messages' as fact,
    written.day
from core.message_days as written
semi join temp.changed_users as changed on written.sender_key = changed.user_key
union all
select distinct
    'read_receipts' as fact,
    reads.day
from core.read_days as reads
semi join temp.changed_users as changed on reads.user_key = changed.user_key;
