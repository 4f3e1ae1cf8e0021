-- engagement_v1: How many people there are, and which share of them wrote.
-- grain: one row
-- scope: the period [since, until), UTC; total_users: all time before until
-- total_users were created before until (or at an unknown time) and not deleted before it. Of these,
-- active_users wrote at least one message and engaged_users at least engaged_from; deleted and system
-- messages are not counted; unique_senders of message_stats_v1 counts people whose account has been deleted,
-- too. The rates are in percent of total_users, two decimals, and cannot exceed 100.
-- For a viewer the people are the viewer and those present now in one of the viewer's conversations, and
-- the messages are those in these conversations.
create or replace macro metrics.engagement_v1(
    since timestamp,
    until timestamp := null,
    engaged_from := 5,
    visible_to := null,
    include_bots := true
) as table
    with people as (
        select users.user_key
        from core.everybody_in_scope(visible_to) as users
        anti join core.bots_left_out(include_bots) as bots on users.user_key = bots.user_key
        where
            users.in_source
            and coalesce(users.created_at < core.end_of(until), true)
            and coalesce(users.deleted_at >= core.end_of(until), true)
    ),

    sent as (
        select
            written.user_key,
            sum(written.message_count) as message_count
        from core.writer_rows(since := since, until := until, visible_to := visible_to) as written
        group by written.user_key
    ),

    counted as (
        select
            count(*) as total_users,
            count(*) filter (where sent.message_count >= 1) as active_users,
            count(*) filter (where sent.message_count >= engaged_from) as engaged_users
        from people
        left join sent on people.user_key = sent.user_key
    )

    select
        counted.total_users,
        counted.active_users,
        counted.engaged_users,
        core.percent_of(part := counted.active_users, whole := counted.total_users) as engagement_rate,
        core.percent_of(part := counted.engaged_users, whole := counted.total_users) as deep_engagement_rate
    from counted;
