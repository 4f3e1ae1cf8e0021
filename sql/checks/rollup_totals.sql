-- rollup_totals: every rollup adds up to the facts it counts.
-- grain: one row per rollup that differs; none = healthy
with bots as (
    select user_key
    from core.dim_users
    where is_bot
),

outcomes as (
    select distinct
        messages.conversation_key,
        messages.created_at,
        messages.sender_key
    from core.fact_messages as messages
    anti join bots on messages.sender_key = bots.user_key
    where
        messages.deleted_at is null
        and messages.conversation_key is not null
        and messages.sender_key is not null
        and messages.message_type is distinct from 'system'
),

-- the masks of a person's day, over all types of conversations
typed as (
    select
        day,
        user_key,
        bit_or(quarter_hours_low) as quarter_hours_low,
        bit_or(quarter_hours_high) as quarter_hours_high
    from core.user_type_days
    group by day, user_key
),

untyped as (
    select
        day,
        user_key,
        (sent_quarter_hours_low | read_quarter_hours_low) as quarter_hours_low,
        (sent_quarter_hours_high | read_quarter_hours_high) as quarter_hours_high
    from core.user_days
),

totals (rollup, counted, expected) as (
    select
        'message_days' as rollup,
        (select coalesce(sum(message_count), 0) from core.message_days) as counted,
        (
            select count(*) from core.fact_messages
            where deleted_at is null
        ) as expected
    union all
    select
        'message_quarter_hours' as rollup,
        (select coalesce(sum(message_count), 0) from core.message_quarter_hours) as counted,
        (
            select count(*) from core.fact_messages
            where deleted_at is null
        ) as expected
    union all
    select
        'message_quarter_hours.is_bot' as rollup,
        (
            select coalesce(sum(message_count), 0) from core.message_quarter_hours
            where is_bot
        ) as counted,
        (
            select count(*)
            from core.fact_messages as messages
            semi join bots on messages.sender_key = bots.user_key
            where messages.deleted_at is null
        ) as expected
    union all
    select
        'message_outcomes' as rollup,
        (select count(*) from core.message_outcomes) as counted,
        (select count(*) from outcomes) as expected
    union all
    select
        'user_type_days' as rollup,
        (
            select count(*) from typed
            semi join untyped using (day, user_key, quarter_hours_low, quarter_hours_high)
        ) as counted,
        (select greatest((select count(*) from typed), (select count(*) from untyped))) as expected
    union all
    select
        'user_days.sent_count' as rollup,
        (select coalesce(sum(sent_count), 0) from core.user_days) as counted,
        (
            select count(*)
            from core.fact_messages
            where
                deleted_at is null
                and sender_key is not null
                and message_type is distinct from 'system'
        ) as expected
    union all
    select
        'user_days.read_count' as rollup,
        (select coalesce(sum(read_count), 0) from core.user_days) as counted,
        (
            select count(*) from core.fact_read_receipts
            where user_key is not null
        ) as expected
    union all
    select
        'read_days' as rollup,
        (select coalesce(sum(read_count), 0) from core.read_days) as counted,
        (select count(*) from core.fact_read_receipts) as expected
    union all
    select
        'read_quarter_hours' as rollup,
        (select coalesce(sum(read_count), 0) from core.read_quarter_hours) as counted,
        (select count(*) from core.fact_read_receipts) as expected
    union all
    select
        'read_quarter_hours.is_bot' as rollup,
        (
            select coalesce(sum(read_count), 0) from core.read_quarter_hours
            where is_bot
        ) as counted,
        (
            select count(*)
            from core.fact_read_receipts as receipts
            semi join bots on receipts.user_key = bots.user_key
        ) as expected
    union all
    select
        'event_days' as rollup,
        (select coalesce(sum(event_count), 0) from core.event_days) as counted,
        (select count(*) from core.fact_events) as expected
    union all
    select
        'event_quarter_hours' as rollup,
        (select coalesce(sum(event_count), 0) from core.event_quarter_hours) as counted,
        (select count(*) from core.fact_events) as expected
)

select
    rollup as broken,
    counted || ' counted, facts have ' || expected as offender
from totals
where counted <> expected;
