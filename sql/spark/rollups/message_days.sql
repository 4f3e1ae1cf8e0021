-- Generated from sql/rollups/message_days.sql by the target `catalog`: change that file.
SELECT
  day,
  CAST(conversation_key AS INT) AS conversation_key,
  CAST(sender_key AS INT) AS sender_key,
  is_system,
  CAST(message_count AS INT) AS message_count,
  CAST(text_count AS INT) AS text_count,
  CAST(image_count AS INT) AS image_count,
  CAST(file_count AS INT) AS file_count,
  CAST(length_sum AS BIGINT) AS length_sum,
  CAST(measured_count AS INT) AS measured_count,
  first_at,
  last_at
FROM (
  SELECT
    CAST(created_at AS DATE) AS day,
    conversation_key,
    sender_key,
    COALESCE(message_type = 'system', FALSE) AS is_system,
    COUNT(*) AS message_count,
    COUNT(*) FILTER(WHERE
      message_type = 'text') AS text_count,
    COUNT(*) FILTER(WHERE
      message_type = 'image') AS image_count,
    COUNT(*) FILTER(WHERE
      message_type = 'file') AS file_count,
    SUM(COALESCE(content_length, 0)) AS length_sum,
    COUNT(content_length) AS measured_count,
    MIN(created_at) AS first_at,
    MAX(created_at) AS last_at
  FROM core_fact_messages AS fact_messages
  WHERE
    deleted_at IS NULL
  GROUP BY
    day,
    conversation_key,
    sender_key,
    is_system
) AS every_message_days
