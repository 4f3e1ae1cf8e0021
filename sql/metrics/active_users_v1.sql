-- active_users_v1: How many people wrote, how many read, how many did either.
-- grain: one row
-- scope: the period [since, until), UTC; until is data_through unless given
-- needs: read_receipts for active_readers and active_any
-- active_users wrote at least one message that is neither deleted nor a system message; active_readers
-- read at least one message, whatever became of it; active_any did one or the other. People whose account has been
-- deleted since are among them, as in unique_senders of message_stats_v1; active_users of engagement_v1 leaves
-- them out.
create or replace macro metrics.active_users_v1(
    since timestamp,
    until timestamp := null,
    visible_to := null,
    include_bots := true
) as table
    with people as (
        select
            max(active.sent_count) > 0 as has_written,
            max(active.read_count) > 0 as has_read
        from core.activity_rows(since := since, until := until, visible_to := visible_to) as active
        anti join core.bots_left_out(include_bots) as bots on active.user_key = bots.user_key
        group by active.user_key
    )

    select
        count(*) filter (where people.has_written) as active_users,
        case
            when core.is_available('read_receipts') then count(*) filter (where people.has_read)
        end as active_readers,
        case when core.is_available('read_receipts') then count(*) end as active_any
    from people;
