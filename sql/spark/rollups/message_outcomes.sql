-- Generated from sql/rollups/message_outcomes.sql by the target `catalog`: change that file.
WITH bots AS (
  SELECT
    user_key
  FROM core_dim_users AS dim_users
  WHERE
    is_bot
), counted AS (
  SELECT
    conversation_key,
    created_at,
    sender_key
  FROM core_fact_messages AS fact_messages
  WHERE
    deleted_at IS NULL
    AND message_type IS DISTINCT FROM 'system'
    AND NOT sender_key IS NULL
), written AS (
  SELECT
    counted.*
  FROM counted
  ANTI JOIN bots
    ON counted.sender_key = bots.user_key
  WHERE
    NOT counted.conversation_key IS NULL
), receipts AS (
  SELECT
    conversation_key,
    message_created_at,
    user_key,
    read_at
  FROM core_fact_read_receipts AS fact_read_receipts
  WHERE
    read_at >= message_created_at
    AND read_at < message_created_at + (
      INTERVAL '24' HOURS
    )
), instants AS (
  SELECT
    conversation_key,
    created_at,
    CASE WHEN MIN(sender_key) = MAX(sender_key) THEN MIN(sender_key) END AS only_key
  FROM written
  GROUP BY
    conversation_key,
    created_at
), neighbours AS (
  SELECT
    *,
    LAG(created_at) OVER in_conversation AS before_at,
    LAG(only_key) OVER in_conversation AS before_key,
    LEAD(created_at) OVER in_conversation AS after_at,
    LEAD(only_key) OVER in_conversation AS after_key,
    COALESCE(only_key <> LAG(only_key) OVER in_conversation, TRUE) AS is_change
  FROM instants
  WINDOW in_conversation AS (PARTITION BY conversation_key ORDER BY created_at NULLS LAST)
), linked AS (
  SELECT
    *,
    FIRST_VALUE(CASE WHEN is_change THEN created_at END) IGNORE NULLS OVER (
      PARTITION BY conversation_key
      ORDER BY created_at NULLS LAST
      rows BETWEEN 2 following AND UNBOUNDED following
    ) AS changed_at
  FROM neighbours
), inside AS (
  SELECT
    *
  FROM linked
), senders AS (
  SELECT
    inside.conversation_key,
    inside.created_at,
    inside.only_key,
    inside.before_at,
    inside.before_key,
    inside.after_at,
    inside.after_key,
    inside.is_change,
    inside.changed_at,
    only_key AS sender_key
  FROM inside
  WHERE
    NOT only_key IS NULL
  UNION ALL
  SELECT DISTINCT
    inside.conversation_key,
    inside.created_at,
    inside.only_key,
    inside.before_at,
    inside.before_key,
    inside.after_at,
    inside.after_key,
    inside.is_change,
    inside.changed_at,
    written.sender_key
  FROM inside
  INNER JOIN written
    ON inside.conversation_key = written.conversation_key
    AND inside.created_at = written.created_at
  WHERE
    inside.only_key IS NULL
), pauses AS (
  SELECT
    conversation_key,
    created_at,
    sender_key,
    CASE WHEN COALESCE(before_key <> sender_key, TRUE) THEN created_at - before_at END AS reply_pause,
    CASE WHEN COALESCE(after_key <> sender_key, TRUE) THEN after_at ELSE changed_at END - created_at AS answer_pause
  FROM senders
), reads AS (
  SELECT
    pauses.conversation_key,
    pauses.created_at,
    pauses.sender_key,
    MIN(receipts.read_at) AS read_at
  FROM pauses
  INNER JOIN receipts
    ON pauses.conversation_key = receipts.conversation_key
    AND pauses.created_at = receipts.message_created_at
    AND pauses.sender_key <> receipts.user_key
  ANTI JOIN bots
    ON receipts.user_key = bots.user_key
  GROUP BY
    pauses.conversation_key,
    pauses.created_at,
    pauses.sender_key
), outcomes AS (
  SELECT
    pauses.created_at,
    pauses.conversation_key,
    pauses.sender_key,
    conversations.conversation_type,
    CASE
      WHEN pauses.reply_pause < (
        INTERVAL '24' HOURS
      )
      THEN UNIX_MICROS(CAST('1970-01-01 00:00:00' AS TIMESTAMP) + pauses.reply_pause) DIV 1000000
    END AS reply_seconds,
    CASE
      WHEN pauses.answer_pause < (
        INTERVAL '24' HOURS
      )
      THEN UNIX_MICROS(CAST('1970-01-01 00:00:00' AS TIMESTAMP) + pauses.answer_pause) DIV 1000000
    END AS answer_seconds,
    (
      UNIX_MICROS(reads.read_at) - UNIX_MICROS(pauses.created_at)
    ) DIV 1000000 AS read_seconds
  FROM pauses
  LEFT JOIN reads
    ON pauses.conversation_key = reads.conversation_key
    AND pauses.created_at = reads.created_at
    AND pauses.sender_key = reads.sender_key
  LEFT JOIN core_dim_conversations AS conversations
    ON pauses.conversation_key = conversations.conversation_key
)
SELECT
  created_at,
  CAST(conversation_key AS INT) AS conversation_key,
  CAST(sender_key AS INT) AS sender_key,
  conversation_type,
  CAST(reply_seconds AS INT) AS reply_seconds,
  CAST(answer_seconds AS INT) AS answer_seconds,
  CAST(read_seconds AS INT) AS read_seconds
FROM (
  SELECT
    *
  FROM outcomes
) AS every_message_outcomes
