-- concentration_v1: Whether few people write most of the messages.
-- grain: one row
-- scope: the period [since, until), UTC; until is data_through unless given
-- writers wrote at least one of the messages, which are those of a known sender that are neither deleted nor system
-- messages; people whose account has been deleted since are among them, as in unique_senders of message_stats_v1.
-- The shares are in percent of messages, two decimals: those by the hundredth, the tenth and the half of the writers
-- who wrote the most, each number of writers rounded up. gini is the Gini coefficient of messages per writer, two
-- decimals: 0 = everybody wrote the same number, near 1 = one wrote nearly all; null where nobody wrote.
create or replace macro metrics.concentration_v1(
    since timestamp,
    until timestamp := null,
    for_conversation := null,
    visible_to := null,
    include_bots := true
) as table
    with written as (
        select
            found.user_key,
            sum(found.message_count) as message_count
        from
            core.writer_rows(
                since := since, until := until, for_conversation := for_conversation, visible_to := visible_to
            ) as found
        anti join core.bots_left_out(include_bots) as bots on found.user_key = bots.user_key
        where found.user_key is not null
        group by found.user_key
        union all
        select
            errors.nothing as user_key,
            errors.nothing as message_count
        from core.period_errors(since := since, until := until) as errors
    ),

    ranked as (
        select
            written.message_count,
            row_number() over (order by written.message_count desc) as place,
            count(*) over () as writer_count
        from written
    ),

    counted as (
        select
            count(*) as writers,
            coalesce(sum(ranked.message_count), 0) as messages,
            sum(ranked.message_count) filter (where ranked.place <= (ranked.writer_count + 99) // 100) as of_hundredth,
            sum(ranked.message_count) filter (where ranked.place <= (ranked.writer_count + 9) // 10) as of_tenth,
            sum(ranked.message_count) filter (where ranked.place <= (ranked.writer_count + 1) // 2) as of_half,
            -- twice the area between the Lorenz curve and the line of equal numbers, in writers times messages
            sum(ranked.message_count * (ranked.writer_count + 1 - 2 * ranked.place)) as inequality
        from ranked
    )

    select
        cast(counted.messages as bigint) as messages,
        counted.writers,
        core.percent_of(part := coalesce(counted.of_hundredth, 0), whole := counted.messages) as top_1_percent_share,
        core.percent_of(part := coalesce(counted.of_tenth, 0), whole := counted.messages) as top_10_percent_share,
        core.percent_of(part := coalesce(counted.of_half, 0), whole := counted.messages) as top_half_share,
        case
            when counted.writers > 0
                then core.ratio_of(part := counted.inequality, whole := counted.writers * counted.messages)
        end as gini
    from counted;
