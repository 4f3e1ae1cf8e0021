-- What a generation says about a messenger, in the words and numbers of each expected.sql; times as the sum of
-- their milliseconds. Tables that a messenger may lack are read in `core`, where they are empty; their views raise.
-- grain: one row per number that is not 0
select what, number
from (
    select 'users' as what, count(*) as number from main.users
    union all
    select 'bots' as what, count(*) as number from main.users where is_bot
    union all
    select 'deleted users' as what, count(*) as number from main.users where deleted_at is not null
    union all
    select 'conversations ' || type as what, count(*) as number from main.conversations group by type
    union all
    select 'titles' as what, count(title) as number from main.conversations
    union all
    select 'members' as what, count(*) as number from main.participants where left_at is null
    union all
    select 'former members' as what, count(*) as number from main.participants where left_at is not null
    union all
    select 'joined' as what, sum(epoch_ms(joined_at)) as number from main.participants
    union all
    select 'left' as what, sum(epoch_ms(left_at)) as number from main.participants
    union all
    select 'marks' as what, count(*) as number from core.dim_read_marks
    union all
    select 'read through' as what, sum(epoch_ms(read_through_at)) as number from core.dim_read_marks
    union all
    select 'marked' as what, sum(epoch_ms(marked_at)) as number from core.dim_read_marks
    union all
    select 'messages ' || message_type as what, count(*) as number from main.messages group by message_type
    union all
    select 'senders' as what, count(distinct sender_id) as number from main.messages
    union all
    select 'characters' as what, sum(content_length) as number from main.messages
    union all
    select 'sent' as what, sum(epoch_ms(created_at)) as number from main.messages
    union all
    select 'edited' as what, sum(epoch_ms(edited_at)) as number from main.messages
    union all
    select 'deleted' as what, sum(epoch_ms(deleted_at)) as number from main.messages
    union all
    select 'reactions' as what, count(*) as number from core.fact_reactions
    union all
    select 'reacted' as what, sum(epoch_ms(created_at)) as number from core.fact_reactions
    union all
    select 'reacted to' as what, sum(epoch_ms(message_created_at)) as number from core.fact_reactions
    union all
    select 'events ' || event_type as what, count(*) as number from core.fact_events group by event_type
) as numbers
where number > 0
