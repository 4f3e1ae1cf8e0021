-- read_marks: up to which event each member has read each room, and when they did; the newest of the public
-- and private marks, and of those in threads.
-- grain: one row per room and user
select distinct on (receipt.room_id, receipt.user_id)
    receipt.room_id as conversation_id,
    receipt.user_id,
    timestamptz 'epoch'
    + case when event.origin_server_ts > 0 then least(event.origin_server_ts, 253402300799000) end
    * interval '1 millisecond' as read_through_at,
    timestamptz 'epoch'
    + substring(receipt.data from '"ts": ?([0-9]{1,15})')::bigint * interval '1 millisecond' as marked_at
from receipts_linearized as receipt
left join events as event on receipt.event_id = event.event_id
where receipt.receipt_type in ('m.read', 'm.read.private')
order by receipt.room_id asc, receipt.user_id asc, event.stream_ordering desc nulls last, receipt.stream_id desc
