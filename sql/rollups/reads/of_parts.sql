-- Takes what is stale of [$since, $until), whole UTC days, out of core.read_days, and selects its receipts to be
-- counted again.
-- grain: one row per receipt
create or replace temporary table temp.stale_parts as
select distinct *
from temp.stale_reads
where day >= $since and day < $until;

delete from core.read_days as days
using temp.stale_parts as stale
where
    days.day = stale.day
    and days.conversation_key is not distinct from stale.conversation_key
    and days.user_key is not distinct from stale.user_key;

create or replace temporary table temp.counted_receipts as
with receipts as (
    select
        read_at,
        conversation_key,
        user_key,
        message_created_at
    from core.fact_read_receipts
    where read_at >= $since and read_at < $until
)

select receipts.*
from receipts
semi join temp.stale_parts as stale
    on
        cast(receipts.read_at as date) = stale.day
        and receipts.conversation_key is not distinct from stale.conversation_key
        and receipts.user_key is not distinct from stale.user_key;
