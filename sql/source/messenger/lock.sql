-- Held before the snapshot is taken: a rewrite or TRUNCATE that commits after the snapshot would
-- otherwise show an empty table. ACCESS SHARE is what a SELECT takes; it hinders no reader or writer.
lock table
users, conversations, conversation_participants,
messages, message_read_receipts, analytics_events
in access share mode
