-- Generated from sql/rollups/read_days.sql by the target `catalog`: change that file.
WITH counted_receipts AS (
  SELECT
    read_at,
    conversation_key,
    user_key,
    message_created_at
  FROM core_fact_read_receipts AS fact_read_receipts
), messages AS (
  SELECT
    conversation_key,
    sender_key,
    created_at
  FROM core_fact_messages AS fact_messages
), own_reads AS (
  SELECT DISTINCT
    messages.*
  FROM messages
  SEMI JOIN counted_receipts AS receipts
    ON messages.conversation_key = receipts.conversation_key
    AND messages.sender_key = receipts.user_key
    AND messages.created_at = receipts.message_created_at
)
SELECT
  day,
  CAST(conversation_key AS INT) AS conversation_key,
  CAST(user_key AS INT) AS user_key,
  CAST(read_count AS INT) AS read_count,
  CAST(own_read_count AS INT) AS own_read_count,
  first_at,
  last_at
FROM (
  SELECT
    CAST(receipts.read_at AS DATE) AS day,
    receipts.conversation_key,
    receipts.user_key,
    COUNT(*) AS read_count,
    COUNT(own.created_at) AS own_read_count,
    MIN(receipts.read_at) AS first_at,
    MAX(receipts.read_at) AS last_at
  FROM counted_receipts AS receipts
  LEFT JOIN own_reads AS own
    ON receipts.conversation_key = own.conversation_key
    AND receipts.user_key = own.sender_key
    AND receipts.message_created_at = own.created_at
  GROUP BY
    day,
    receipts.conversation_key,
    receipts.user_key
) AS every_read_days
