-- reactions: who reacted to which message with which emoji. Synapse removes the relation of a deleted reaction.
-- grain: one row per message, user and emoji; another server may send the same one again, and the first counts
select
    reaction.xmin as row_version,
    reaction.ctid as place,
    relation.relates_to_id as message_id,
    reaction.sender as user_id,
    relation.aggregation_key as emoji,
    reaction.room_id as conversation_id,
    timestamptz 'epoch'
    + least(greatest(reaction.origin_server_ts, 0), 253402300799000) * interval '1 millisecond' as created_at,
    timestamptz 'epoch'
    + case
        when message.origin_server_ts is not null
            then least(greatest(message.origin_server_ts, 0), 253402300799000)
    end * interval '1 millisecond' as message_created_at
from events as reaction
inner join event_relations as relation on reaction.event_id = relation.event_id
left join events as message on relation.relates_to_id = message.event_id
where
    reaction.type = 'm.reaction'
    and not reaction.outlier
    and reaction.rejection_reason is null
    and relation.relation_type = 'm.annotation'
    and relation.aggregation_key is not null
    and not exists (
        select 1
        from event_relations as earlier
        inner join events as first on earlier.event_id = first.event_id
        where
            earlier.relates_to_id = relation.relates_to_id
            and earlier.relation_type = 'm.annotation'
            and earlier.aggregation_key = relation.aggregation_key
            and first.sender = reaction.sender
            and first.type = 'm.reaction'
            and not first.outlier
            and first.rejection_reason is null
            and first.stream_ordering < reaction.stream_ordering
    )
