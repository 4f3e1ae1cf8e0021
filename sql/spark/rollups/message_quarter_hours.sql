-- Generated from sql/rollups/message_quarter_hours.sql by the target `catalog`: change that file.
SELECT
  quarter_at,
  conversation_type,
  is_system,
  is_bot,
  CAST(message_count AS INT) AS message_count
FROM (
  SELECT
    CASE
      WHEN facts.created_at >= changes.changed_at
      THEN changes.changed_at
      ELSE facts.began_at
    END AS quarter_at,
    conversations.conversation_type,
    facts.is_system,
    COALESCE(users.is_bot, FALSE) AS is_bot,
    COUNT(*) AS message_count
  FROM (
    SELECT
      created_at,
      TIMESTAMP_MICROS(
        (
          (
            UNIX_MICROS(created_at) + 199999999800000000
          ) DIV 900000000
        ) * 900000000 - 199999999800000000
      ) AS began_at,
      conversation_key,
      sender_key,
      COALESCE(message_type = 'system', FALSE) AS is_system
    FROM core_fact_messages AS fact_messages
    WHERE
      deleted_at IS NULL
  ) AS facts
  LEFT JOIN core_clock_changes AS changes
    ON facts.began_at = changes.began_at
  LEFT JOIN core_dim_conversations AS conversations
    ON facts.conversation_key = conversations.conversation_key
  LEFT JOIN core_dim_users AS users
    ON facts.sender_key = users.user_key
  GROUP BY
    CASE
      WHEN facts.created_at >= changes.changed_at
      THEN changes.changed_at
      ELSE facts.began_at
    END,
    conversations.conversation_type,
    facts.is_system,
    COALESCE(users.is_bot, FALSE)
) AS every_message_quarter_hours
