-- Generated from sql/facts/keyed/read_receipts.sql by the target `catalog`: change that file.
SELECT
  lake.read_at,
  conversations.conversation_key,
  users.user_key,
  lake.message_created_at
FROM lake_read_receipts AS lake
LEFT JOIN core_dim_conversations AS conversations
  ON lake.conversation_id = conversations.conversation_id
LEFT JOIN core_dim_users AS users
  ON lake.user_id = users.user_id
