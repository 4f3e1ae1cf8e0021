-- Generated from sql/rollups/event_days.sql by the target `catalog`: change that file.
SELECT
  day,
  event_type,
  CAST(conversation_key AS INT) AS conversation_key,
  CAST(user_key AS INT) AS user_key,
  CAST(event_count AS INT) AS event_count
FROM (
  SELECT
    CAST(created_at AS DATE) AS day,
    event_type,
    conversation_key,
    user_key,
    COUNT(*) AS event_count
  FROM core_fact_events AS fact_events
  GROUP BY
    day,
    event_type,
    conversation_key,
    user_key
) AS every_event_days
