-- The SELECT of the touched rows where the mapping has none.
-- grain: none
select
    null::xid as row_version,
    null::tid as place,
    null::touched_id_type as touched_id
where false
