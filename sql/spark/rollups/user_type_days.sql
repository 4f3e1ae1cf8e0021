-- Generated from sql/rollups/user_type_days.sql by the target `catalog`: change that file.
WITH activity AS (
  SELECT
    sender_key AS user_key,
    conversation_key,
    created_at AS active_at
  FROM core_fact_messages AS fact_messages
  WHERE
    deleted_at IS NULL
    AND message_type IS DISTINCT FROM 'system'
    AND NOT sender_key IS NULL
  UNION ALL
  SELECT
    user_key,
    conversation_key,
    read_at AS active_at
  FROM core_fact_read_receipts AS fact_read_receipts
  WHERE
    NOT user_key IS NULL
), placed AS (
  SELECT
    CAST(activity.active_at AS DATE) AS day,
    activity.user_key,
    conversations.conversation_type,
    HOUR(activity.active_at) < 12 AS is_low,
    SHIFTLEFT(
      CAST(1 AS BIGINT),
      CAST((
        (
          HOUR(activity.active_at) % 12
        ) * 4 + MINUTE(activity.active_at) DIV 15
      ) AS INT)
    ) AS quarter_bit
  FROM activity
  LEFT JOIN core_dim_conversations AS conversations
    ON activity.conversation_key = conversations.conversation_key
)
SELECT
  day,
  CAST(user_key AS INT) AS user_key,
  conversation_type,
  CAST(quarter_hours_low AS BIGINT) AS quarter_hours_low,
  CAST(quarter_hours_high AS BIGINT) AS quarter_hours_high
FROM (
  SELECT
    day,
    user_key,
    conversation_type,
    COALESCE(BIT_OR(quarter_bit) FILTER(WHERE
      is_low), 0) AS quarter_hours_low,
    COALESCE(BIT_OR(quarter_bit) FILTER(WHERE
      NOT is_low), 0) AS quarter_hours_high
  FROM placed
  GROUP BY
    day,
    user_key,
    conversation_type
) AS every_user_type_days
