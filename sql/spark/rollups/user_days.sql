-- Generated from sql/rollups/user_days.sql by the target `catalog`: change that file.
WITH activity AS (
  SELECT
    sender_key AS user_key,
    created_at AS active_at,
    TRUE AS is_sent
  FROM core_fact_messages AS fact_messages
  WHERE
    deleted_at IS NULL
    AND message_type IS DISTINCT FROM 'system'
    AND NOT sender_key IS NULL
  UNION ALL
  SELECT
    user_key,
    read_at AS active_at,
    FALSE AS is_sent
  FROM core_fact_read_receipts AS fact_read_receipts
  WHERE
    NOT user_key IS NULL
), placed AS (
  SELECT
    CAST(active_at AS DATE) AS day,
    user_key,
    is_sent,
    HOUR(active_at) < 12 AS is_low,
    SHIFTLEFT(
      CAST(1 AS BIGINT),
      CAST((
        (
          HOUR(active_at) % 12
        ) * 4 + MINUTE(active_at) DIV 15
      ) AS INT)
    ) AS quarter_bit
  FROM activity
)
SELECT
  day,
  CAST(user_key AS INT) AS user_key,
  CAST(sent_count AS INT) AS sent_count,
  CAST(read_count AS INT) AS read_count,
  CAST(sent_quarter_hours_low AS BIGINT) AS sent_quarter_hours_low,
  CAST(sent_quarter_hours_high AS BIGINT) AS sent_quarter_hours_high,
  CAST(read_quarter_hours_low AS BIGINT) AS read_quarter_hours_low,
  CAST(read_quarter_hours_high AS BIGINT) AS read_quarter_hours_high
FROM (
  SELECT
    day,
    user_key,
    COUNT(*) FILTER(WHERE
      is_sent) AS sent_count,
    COUNT(*) FILTER(WHERE
      NOT is_sent) AS read_count,
    COALESCE(BIT_OR(quarter_bit) FILTER(WHERE
      is_sent AND is_low), 0) AS sent_quarter_hours_low,
    COALESCE(BIT_OR(quarter_bit) FILTER(WHERE
      is_sent AND NOT is_low), 0) AS sent_quarter_hours_high,
    COALESCE(BIT_OR(quarter_bit) FILTER(WHERE
      NOT is_sent AND is_low), 0) AS read_quarter_hours_low,
    COALESCE(BIT_OR(quarter_bit) FILTER(WHERE
      NOT is_sent AND NOT is_low), 0) AS read_quarter_hours_high
  FROM placed
  GROUP BY
    day,
    user_key
) AS every_user_days
