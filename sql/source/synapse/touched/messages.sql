-- An edit or a deletion changes the message that it names. The deletion of an edit changes the edited message
-- too; Synapse has removed the relation by then, but the edit's JSON names it until it is pruned.
-- grain: one row per edit, and two per deletion
select
    event_relations.xmin as row_version,
    event_relations.ctid as place,
    event_relations.relates_to_id as message_id
from event_relations
where event_relations.relation_type = 'm.replace'
union all
select
    redactions.xmin as row_version,
    redactions.ctid as place,
    redactions.redacts as message_id
from redactions
union all
select
    redactions.xmin as row_version,
    redactions.ctid as place,
    (
        select
            replace(replace(edit.json, '\\', '\u005c'), '\u0000', '\ufffd')::jsonb
            #>> '{content,m.relates_to,event_id}' as edited_id
        from event_json as edit
        where edit.event_id = redactions.redacts
    ) as message_id
from redactions
