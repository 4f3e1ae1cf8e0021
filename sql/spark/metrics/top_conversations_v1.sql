-- Generated from sql/metrics/top_conversations_v1.sql by the target `catalog`: change that file.
WITH sent AS (
  SELECT
    *
  FROM (
    SELECT
      conversation_key,
      sender_key AS user_key,
      is_system,
      message_count,
      text_count,
      image_count,
      file_count,
      length_sum,
      measured_count,
      first_at,
      last_at
    FROM core_message_days AS message_days
    WHERE
      (
        day >= (
          CAST(CAST(:since AS TIMESTAMP) AS DATE) + CAST(CAST(:since AS TIMESTAMP) > CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
        )
        AND day < (
          GREATEST(
            CAST((
              COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
            ) AS DATE),
            (
              CAST(CAST(:since AS TIMESTAMP) AS DATE) + CAST(CAST(:since AS TIMESTAMP) > CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
            )
          )
        )
      )
    UNION ALL
    SELECT
      conversation_key,
      sender_key AS user_key,
      COALESCE(message_type = 'system', FALSE) AS is_system,
      1 AS message_count,
      CAST(COALESCE(message_type = 'text', FALSE) AS INT) AS text_count,
      CAST(COALESCE(message_type = 'image', FALSE) AS INT) AS image_count,
      CAST(COALESCE(message_type = 'file', FALSE) AS INT) AS file_count,
      COALESCE(content_length, 0) AS length_sum,
      CAST(NOT content_length IS NULL AS INT) AS measured_count,
      created_at AS first_at,
      created_at AS last_at
    FROM core_fact_messages AS fact_messages
    WHERE
      (
        (
          created_at >= CAST(:since AS TIMESTAMP)
          AND created_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT (
          created_at >= CAST((
            CAST(CAST(:since AS TIMESTAMP) AS DATE) + CAST(CAST(:since AS TIMESTAMP) > CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
          ) AS TIMESTAMP)
          AND created_at < CAST((
            GREATEST(
              CAST((
                COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
              ) AS DATE),
              (
                CAST(CAST(:since AS TIMESTAMP) AS DATE) + CAST(CAST(:since AS TIMESTAMP) > CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
              )
            )
          ) AS TIMESTAMP)
        )
      )
      AND deleted_at IS NULL
  ) AS message_rows
), written AS (
  SELECT
    found.conversation_key,
    CASE WHEN NOT found.is_system THEN found.user_key END AS writer_key,
    SUM(found.message_count) AS message_count
  FROM (
    SELECT
      found.*
    FROM (
      SELECT
        *
      FROM sent AS sent
      WHERE
        CAST(:visible_to AS STRING) IS NULL AND CAST(:for_type AS STRING) IS NULL
      UNION ALL
      SELECT
        scoped.*
      FROM sent AS scoped
      SEMI JOIN (
        SELECT
          conversations.conversation_key
        FROM core_dim_conversations AS conversations
        WHERE
          CAST(:visible_to AS STRING) IS NULL
          AND (
            NOT CAST(:for_type AS STRING) IS NULL
          )
          AND (
            CAST(:for_type AS STRING) IS NULL
            OR conversations.conversation_type = CAST(:for_type AS STRING)
          )
        UNION ALL
        SELECT
          mine.conversation_key
        FROM (
          SELECT
            participants.conversation_key
          FROM core_dim_participants AS participants
          INNER JOIN (
            SELECT
              users.user_key
            FROM core_dim_users AS users
            WHERE
              CAST(users.user_id AS STRING) = CAST(:visible_to AS STRING)
              AND users.in_source
              AND users.deleted_at IS NULL
          ) AS viewer
            ON participants.user_key = viewer.user_key
          WHERE
            (
              COALESCE(participants.joined_at < (
                CAST(:data_through AS TIMESTAMP)
              ), TRUE)
              AND COALESCE(participants.left_at >= (
                CAST(:data_through AS TIMESTAMP)
              ), TRUE)
            )
        ) AS mine
        WHERE
          NOT CAST(:visible_to AS STRING) IS NULL AND CAST(:for_type AS STRING) IS NULL
        UNION ALL
        SELECT
          mine.conversation_key
        FROM (
          SELECT
            participants.conversation_key
          FROM core_dim_participants AS participants
          INNER JOIN (
            SELECT
              users.user_key
            FROM core_dim_users AS users
            WHERE
              CAST(users.user_id AS STRING) = CAST(:visible_to AS STRING)
              AND users.in_source
              AND users.deleted_at IS NULL
          ) AS viewer
            ON participants.user_key = viewer.user_key
          WHERE
            (
              COALESCE(participants.joined_at < (
                CAST(:data_through AS TIMESTAMP)
              ), TRUE)
              AND COALESCE(participants.left_at >= (
                CAST(:data_through AS TIMESTAMP)
              ), TRUE)
            )
        ) AS mine
        INNER JOIN core_dim_conversations AS conversations
          ON mine.conversation_key = conversations.conversation_key
        WHERE
          NOT CAST(:visible_to AS STRING) IS NULL
          AND (
            NOT CAST(:for_type AS STRING) IS NULL
          )
          AND (
            CAST(:for_type AS STRING) IS NULL
            OR conversations.conversation_type = CAST(:for_type AS STRING)
          )
      ) AS scope
        ON scoped.conversation_key = scope.conversation_key
      WHERE
        (
          NOT CAST(:visible_to AS STRING) IS NULL OR NOT CAST(:for_type AS STRING) IS NULL
        )
    ) AS found
    ANTI JOIN (
      SELECT
        user_key
      FROM core_dim_users AS dim_users
      WHERE
        is_bot AND NOT CAST(:include_bots AS BOOLEAN)
    ) AS bots
      ON found.user_key = bots.user_key
  ) AS found
  GROUP BY
    found.conversation_key,
    writer_key
), counted AS (
  SELECT
    written.conversation_key,
    SUM(written.message_count) AS message_count,
    COUNT(written.writer_key) AS participant_count
  FROM written AS written
  GROUP BY
    written.conversation_key
), rated AS (
  SELECT
    counted.*,
    COALESCE(counted.message_count / NULLIF(counted.participant_count, 0), 0) AS activity
  FROM counted AS counted
)
SELECT
  conversations.conversation_id,
  conversations.conversation_type AS type,
  conversations.title,
  CAST(rated.message_count AS BIGINT) AS message_count,
  rated.participant_count,
  (
    CAST(COALESCE(
      (
        CAST(rated.message_count AS DECIMAL(38, 0)) * 200 * 86400000000 + (
          UNIX_MICROS((
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )) - UNIX_MICROS(CAST(:since AS TIMESTAMP))
        )
      ) DIV NULLIF(
        CAST((
          UNIX_MICROS((
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )) - UNIX_MICROS(CAST(:since AS TIMESTAMP))
        ) AS DECIMAL(38, 0)) * 2,
        0
      ),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS messages_per_day
FROM rated AS rated
INNER JOIN core_dim_conversations AS conversations
  ON rated.conversation_key = conversations.conversation_key
ORDER BY
  CASE CAST(:sort_by AS STRING)
    WHEN 'participants'
    THEN rated.participant_count
    WHEN 'activity'
    THEN rated.activity
    ELSE rated.message_count
  END DESC,
  rated.message_count DESC,
  rated.participant_count DESC,
  rated.activity DESC,
  conversations.conversation_id NULLS LAST
LIMIT COALESCE(CAST(:top_n AS INT), 2147483647)
