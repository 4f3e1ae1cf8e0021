-- Generated from sql/facts/keyed/events.sql by the target `catalog`: change that file.
SELECT
  lake.created_at,
  lake.event_type,
  conversations.conversation_key,
  users.user_key
FROM lake_events AS lake
LEFT JOIN core_dim_conversations AS conversations
  ON lake.conversation_id = conversations.conversation_id
LEFT JOIN core_dim_users AS users
  ON lake.user_id = users.user_id
