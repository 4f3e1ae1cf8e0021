-- Generated from sql/rollups/read_quarter_hours.sql by the target `catalog`: change that file.
SELECT
  quarter_at,
  conversation_type,
  is_bot,
  CAST(read_count AS INT) AS read_count
FROM (
  SELECT
    CASE
      WHEN facts.read_at >= changes.changed_at
      THEN changes.changed_at
      ELSE facts.began_at
    END AS quarter_at,
    conversations.conversation_type,
    COALESCE(users.is_bot, FALSE) AS is_bot,
    COUNT(*) AS read_count
  FROM (
    SELECT
      read_at,
      TIMESTAMP_MICROS(
        (
          (
            UNIX_MICROS(read_at) + 199999999800000000
          ) DIV 900000000
        ) * 900000000 - 199999999800000000
      ) AS began_at,
      conversation_key,
      user_key
    FROM core_fact_read_receipts AS fact_read_receipts
  ) AS facts
  LEFT JOIN core_clock_changes AS changes
    ON facts.began_at = changes.began_at
  LEFT JOIN core_dim_conversations AS conversations
    ON facts.conversation_key = conversations.conversation_key
  LEFT JOIN core_dim_users AS users
    ON facts.user_key = users.user_key
  GROUP BY
    CASE
      WHEN facts.read_at >= changes.changed_at
      THEN changes.changed_at
      ELSE facts.began_at
    END,
    conversations.conversation_type,
    COALESCE(users.is_bot, FALSE)
) AS every_read_quarter_hours
