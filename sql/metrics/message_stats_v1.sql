-- message_stats_v1: How many messages were sent, of which types, by how many people, how long.
-- grain: one row
-- scope: the period [since, until), UTC; until is data_through unless given
-- Deleted messages are not counted. System messages count in totals and types; their senders are not
-- counted. unique_senders includes people whose account has been deleted since, whom active_users of
-- engagement_v1 leaves out. avg_message_length is in characters, one decimal, over messages that have a
-- text. The distribution is in percent of total_messages, two decimals. for_type is a type of conversation,
-- such as group; null = all, those of no type included. For a person whom the viewer may not see the
-- result is all zeros, as for an unknown user.
create or replace macro metrics.message_stats_v1(
    since timestamp,
    until timestamp := null,
    for_conversation := null,
    for_user := null,
    for_type := null,
    visible_to := null,
    include_bots := true
) as table
    with sent as (
        select *
        from core.message_rows(since := since, until := until)
    ),

    totals as (
        select
            coalesce(sum(found.message_count), 0) as total_messages,
            coalesce(sum(found.text_count), 0) as text_messages,
            coalesce(sum(found.image_count), 0) as image_messages,
            coalesce(sum(found.file_count), 0) as file_messages,
            coalesce(sum(found.message_count) filter (where found.is_system), 0) as system_messages,
            count(distinct found.user_key) filter (where not found.is_system) as unique_senders,
            coalesce(sum(found.length_sum), 0) as length_sum,
            coalesce(sum(found.measured_count), 0) as measured_count
        from
            core.rows_in_scope(
                rows := sent,
                for_conversation := for_conversation,
                for_user := for_user,
                for_type := for_type,
                visible_to := visible_to,
                include_bots := include_bots
            ) as found
    ),

    typed as (
        select
            totals.*,
            totals.total_messages - totals.text_messages - totals.image_messages - totals.file_messages
            - totals.system_messages as other_messages
        from totals
    )

    select
        cast(typed.total_messages as bigint) as total_messages,
        cast(typed.text_messages as bigint) as text_messages,
        cast(typed.image_messages as bigint) as image_messages,
        cast(typed.file_messages as bigint) as file_messages,
        cast(typed.system_messages as bigint) as system_messages,
        cast(typed.other_messages as bigint) as other_messages,
        typed.unique_senders,
        core.average_of(total := typed.length_sum, amount := typed.measured_count) as avg_message_length,
        {
            'text': core.percent_of(part := typed.text_messages, whole := typed.total_messages),
            'image': core.percent_of(part := typed.image_messages, whole := typed.total_messages),
            'file': core.percent_of(part := typed.file_messages, whole := typed.total_messages),
            'system': core.percent_of(part := typed.system_messages, whole := typed.total_messages),
            'other': core.percent_of(part := typed.other_messages, whole := typed.total_messages)
        } as message_type_distribution
    from typed;
