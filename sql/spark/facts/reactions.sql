-- Generated from sql/facts/keyed/reactions.sql by the target `catalog`: change that file.
SELECT
  lake.created_at,
  conversations.conversation_key,
  users.user_key,
  lake.emoji,
  lake.message_created_at
FROM lake_reactions AS lake
LEFT JOIN core_dim_conversations AS conversations
  ON lake.conversation_id = conversations.conversation_id
LEFT JOIN core_dim_users AS users
  ON lake.user_id = users.user_id
