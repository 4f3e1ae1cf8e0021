-- Generated from sql/facts/keyed/messages.sql by the target `catalog`: change that file.
SELECT
  lake.created_at,
  conversations.conversation_key,
  users.user_key AS sender_key,
  lake.message_type,
  lake.content_length,
  lake.edited_at,
  lake.deleted_at
FROM lake_messages AS lake
LEFT JOIN core_dim_conversations AS conversations
  ON lake.conversation_id = conversations.conversation_id
LEFT JOIN core_dim_users AS users
  ON lake.sender_id = users.user_id
