-- Outcomes: what became of the messages of people: how fast they were answered and read, and after which pause
-- they reply. core.message_outcomes has the rules. All that a row tells happened less than 24 hours around its
-- message: what is sent 24 hours before the end of a period is judged by nothing at or after that end.

-- whether a message has had its 24 hours before the end of a period
create or replace macro core.is_judged(sent_at, until) as (
    sent_at < core.end_of(until) - interval 24 hours
);

-- outcome_rows: the outcomes of a period, of one conversation or of all, as far as a viewer may see them.
-- grain: one row per conversation, instant and sender
-- Does not raise the errors of a period: a metric that filters these rows would lose them.
create or replace macro core.outcome_rows(since, until, for_conversation, visible_to) as table
    select *
    from core.message_outcomes
    where
        for_conversation is null
        and visible_to is null
        and core.is_in_period(instant := created_at, since := since, until := until)
    union all
    select scoped.*
    from core.message_outcomes as scoped
    semi join core.conversations_in_scope(for_conversation := for_conversation, visible_to := visible_to) as scope
        on scoped.conversation_key = scope.conversation_key
    where
        (for_conversation is not null or visible_to is not null)
        and core.is_in_period(instant := scoped.created_at, since := since, until := until);

-- pauses_by_type: the half and the nine tenths of counted pauses, for each type of conversation and for all (null).
-- grain: one row per type of conversation with a pause, and one for all conversations if there is a pause
-- rows names a table or CTE with the columns conversation_type, seconds and row_count. The half is the smallest
-- pause that at least half of all pauses do not exceed; exact, as quantile_disc is.
create or replace macro core.pauses_by_type(rows) as table
    with parts as (
        select
            conversation_type,
            seconds,
            row_count
        from query_table(rows)
        where conversation_type is not null
        union all
        select
            null as conversation_type,
            seconds,
            sum(row_count) as row_count
        from query_table(rows)
        group by seconds
    ),

    totals as (
        select
            conversation_type,
            sum(row_count) as pause_count
        from parts
        group by conversation_type
    ),

    ranked as (
        select
            *,
            sum(row_count) over (partition by conversation_type order by seconds) as reached_count
        from parts
    )

    select
        totals.conversation_type,
        any_value(totals.pause_count) as pause_count,
        min(ranked.seconds) filter (where ranked.reached_count * 2 >= totals.pause_count) as half_seconds,
        min(ranked.seconds) filter (where ranked.reached_count * 10 >= totals.pause_count * 9) as nine_tenths_seconds
    from ranked
    inner join totals on ranked.conversation_type is not distinct from totals.conversation_type
    group by totals.conversation_type;

-- quarter_hours_of_buckets: the UTC quarter-hours that each bucket meets, to find the bucket of an instant by equality.
-- grain: one row per bucket and quarter-hour; a quarter-hour in which a bucket begins has several
-- rows names a table or CTE with the columns of core.buckets. An instant is in the bucket whose quarter-hour is
-- its own, at or after bucket_at and before next_at. For many rows this is faster than an ASOF join.
create or replace macro core.quarter_hours_of_buckets(rows) as table
    select
        bucket_at,
        next_at,
        unnest(
            generate_series(
                core.quarter_hour_of(bucket_at), next_at - interval 1 microsecond, interval 15 minutes
            )
        ) as quarter_at
    from query_table(rows);
