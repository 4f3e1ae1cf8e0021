-- activation_v1: Of the accounts created in the period, how many wrote, were answered, and came back.
-- grain: one row
-- scope: accounts created in the period [since, until), UTC, and what happened in their first 14 days, before until
-- needs: read_receipts for came_back and came_back_rate
-- accounts are those of people, no bots, that the source has; deleted accounts count. Each share is of the accounts
-- that are old enough to judge, so that young ones do not lower it: judged_after_24_hours were created 24 hours or more
-- before until, and so on. wrote_in_24_hours and wrote_in_7_days wrote a message that is neither deleted nor a system
-- message so soon after their creation. answered wrote such a message in their first 7 days, after which another
-- person, no bot, wrote in the same conversation within 24 hours; it can be judged after 8 days. came_back wrote or
-- read on the days 8 to 14 after their creation. Days are of 24 hours, from the instant of creation. The rates are in
-- percent, two decimals. For a viewer accounts are those the viewer may see, and what counts happened in the viewer's
-- conversations.
create or replace macro metrics.activation_v1(
    since timestamp,
    until timestamp := null,
    visible_to := null
) as table
    with accounts as (
        select
            users.user_key,
            users.created_at
        from core.people_in_scope(visible_to) as users
        where
            users.in_source
            and users.is_bot is distinct from true
            and core.is_in_period(instant := users.created_at, since := since, until := until)
        union all
        select
            errors.nothing as user_key,
            errors.nothing as created_at
        from core.period_errors(since := since, until := until) as errors
    ),

    spans as (
        select
            accounts.user_key,
            accounts.created_at,
            found.conversation_key,
            found.first_at,
            found.last_at,
            found.is_sent
        from core.activity_spans(since := since, until := until, visible_to := visible_to) as found
        inner join accounts on found.user_key = accounts.user_key
        where found.last_at >= accounts.created_at and found.first_at < accounts.created_at + interval 14 days
    ),

    -- What somebody did on a UTC day spans less than 24 hours, so that of a longer time one end of the span tells all.
    active as (
        select
            user_key,
            bool_or(is_sent and core.meets(
                first_act := first_at,
                last_act := last_at,
                opened := created_at,
                closed := created_at + interval 24 hours
            )) as wrote_in_24_hours,
            bool_or(is_sent and core.meets(
                first_act := first_at,
                last_act := last_at,
                opened := created_at,
                closed := created_at + interval 7 days
            )) as wrote_in_7_days,
            bool_or(core.meets(
                first_act := first_at,
                last_act := last_at,
                opened := created_at + interval 7 days,
                closed := created_at + interval 14 days
            )) as came_back
        from spans
        group by user_key
    ),

    -- the day after a message of the first 7 days lies before until where an account is old enough to judge
    answered as (
        select distinct accounts.user_key
        from
            core.outcome_rows(
                since := since, until := until, for_conversation := null, visible_to := visible_to
            ) as questions
        inner join accounts on questions.sender_key = accounts.user_key
        where
            questions.answer_seconds is not null
            and questions.created_at >= accounts.created_at
            and questions.created_at < accounts.created_at + interval 7 days
    ),

    judged as (
        select
            accounts.created_at <= core.end_of(until) - interval 24 hours as is_after_24_hours,
            accounts.created_at <= core.end_of(until) - interval 7 days as is_after_7_days,
            accounts.created_at <= core.end_of(until) - interval 8 days as is_after_8_days,
            accounts.created_at <= core.end_of(until) - interval 14 days as is_after_14_days,
            coalesce(active.wrote_in_24_hours, false) as wrote_in_24_hours,
            coalesce(active.wrote_in_7_days, false) as wrote_in_7_days,
            answered.user_key is not null as is_answered,
            coalesce(active.came_back, false) as came_back
        from accounts
        left join active on accounts.user_key = active.user_key
        left join answered on accounts.user_key = answered.user_key
    ),

    counted as (
        select
            count(*) as accounts,
            count(*) filter (where is_after_24_hours) as judged_after_24_hours,
            count(*) filter (where is_after_24_hours and wrote_in_24_hours) as wrote_in_24_hours,
            count(*) filter (where is_after_7_days) as judged_after_7_days,
            count(*) filter (where is_after_7_days and wrote_in_7_days) as wrote_in_7_days,
            count(*) filter (where is_after_8_days) as judged_after_8_days,
            count(*) filter (where is_after_8_days and is_answered) as answered,
            count(*) filter (where is_after_14_days) as judged_after_14_days,
            count(*) filter (where is_after_14_days and came_back) as came_back
        from judged
    )

    select
        counted.accounts,
        counted.judged_after_24_hours,
        counted.wrote_in_24_hours,
        core.percent_of(
            part := counted.wrote_in_24_hours, whole := counted.judged_after_24_hours
        ) as wrote_in_24_hours_rate,
        counted.judged_after_7_days,
        counted.wrote_in_7_days,
        core.percent_of(part := counted.wrote_in_7_days, whole := counted.judged_after_7_days) as wrote_in_7_days_rate,
        counted.judged_after_8_days,
        counted.answered,
        core.percent_of(part := counted.answered, whole := counted.judged_after_8_days) as answered_rate,
        counted.judged_after_14_days,
        case when core.is_available('read_receipts') then counted.came_back end as came_back,
        case
            when core.is_available('read_receipts')
                then core.percent_of(part := counted.came_back, whole := counted.judged_after_14_days)
        end as came_back_rate
    from counted;
