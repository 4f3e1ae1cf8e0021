-- Generated from sql/rollups/user_firsts.sql by the target `catalog`: change that file.
WITH activity AS (
  SELECT
    sender_key AS user_key,
    created_at AS active_at
  FROM core_fact_messages AS fact_messages
  WHERE
    deleted_at IS NULL
    AND message_type IS DISTINCT FROM 'system'
    AND NOT sender_key IS NULL
  UNION ALL
  SELECT
    user_key,
    read_at AS active_at
  FROM core_fact_read_receipts AS fact_read_receipts
  WHERE
    NOT user_key IS NULL
)
SELECT
  CAST(user_key AS INT) AS user_key,
  first_at
FROM (
  SELECT
    user_key,
    MIN(active_at) AS first_at
  FROM activity
  GROUP BY
    user_key
) AS every_user_firsts
