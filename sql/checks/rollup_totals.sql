-- rollup_totals: every rollup adds up to the facts it counts.
-- grain: one row per rollup that differs; none = healthy
with totals (rollup, counted, expected) as (
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
