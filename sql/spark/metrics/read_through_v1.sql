-- Generated from sql/metrics/read_through_v1.sql by the target `catalog`: change that file.
WITH ever_sent AS (
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
          CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) + CAST(CAST('0001-01-01' AS TIMESTAMP) > CAST(CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
        )
        AND day < (
          GREATEST(
            CAST((
              CAST(:data_through AS TIMESTAMP)
            ) AS DATE),
            (
              CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) + CAST(CAST('0001-01-01' AS TIMESTAMP) > CAST(CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
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
          created_at >= CAST('0001-01-01' AS TIMESTAMP)
          AND created_at < (
            CAST(:data_through AS TIMESTAMP)
          )
        )
        AND NOT (
          created_at >= CAST((
            CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) + CAST(CAST('0001-01-01' AS TIMESTAMP) > CAST(CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
          ) AS TIMESTAMP)
          AND created_at < CAST((
            GREATEST(
              CAST((
                CAST(:data_through AS TIMESTAMP)
              ) AS DATE),
              (
                CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) + CAST(CAST('0001-01-01' AS TIMESTAMP) > CAST(CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
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
    found.user_key,
    found.last_at
  FROM (
    SELECT
      found.*
    FROM (
      SELECT
        *
      FROM ever_sent AS ever_sent
      WHERE
        CAST(:for_conversation AS STRING) IS NULL AND CAST(:visible_to AS STRING) IS NULL
      UNION ALL
      SELECT
        scoped.*
      FROM ever_sent AS scoped
      SEMI JOIN (
        SELECT
          conversations.conversation_key
        FROM core_dim_conversations AS conversations
        WHERE
          CAST(:visible_to AS STRING) IS NULL
          AND (
            NOT CAST(:for_conversation AS STRING) IS NULL
          )
          AND (
            CAST(:for_conversation AS STRING) IS NULL
            OR CAST(conversations.conversation_id AS STRING) = CAST(:for_conversation AS STRING)
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
          NOT CAST(:visible_to AS STRING) IS NULL
          AND CAST(:for_conversation AS STRING) IS NULL
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
            NOT CAST(:for_conversation AS STRING) IS NULL
          )
          AND (
            CAST(:for_conversation AS STRING) IS NULL
            OR CAST(conversations.conversation_id AS STRING) = CAST(:for_conversation AS STRING)
          )
      ) AS scope
        ON scoped.conversation_key = scope.conversation_key
      WHERE
        (
          NOT CAST(:for_conversation AS STRING) IS NULL
          OR NOT CAST(:visible_to AS STRING) IS NULL
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
  WHERE
    NOT found.is_system
), newest AS (
  SELECT
    written.conversation_key,
    MAX(written.last_at) AS sent_at
  FROM written AS written
  GROUP BY
    written.conversation_key
), ranked AS (
  SELECT
    conversations.*,
    newest.sent_at
  FROM newest AS newest
  INNER JOIN core_dim_conversations AS conversations
    ON newest.conversation_key = conversations.conversation_key
  ORDER BY
    newest.sent_at DESC,
    conversations.conversation_id NULLS LAST
  LIMIT COALESCE(CAST(:top_n AS INT), 2147483647)
), writers AS (
  SELECT DISTINCT
    written.conversation_key,
    written.user_key
  FROM written AS written
  INNER JOIN ranked AS ranked
    ON written.conversation_key = ranked.conversation_key
    AND written.last_at = ranked.sent_at
), members AS (
  SELECT
    participants.conversation_key,
    COUNT(*) AS member_count,
    COUNT(*) FILTER(WHERE
      marks.read_through_at >= ranked.sent_at OR NOT writers.user_key IS NULL) AS read_count
  FROM core_dim_participants AS participants
  INNER JOIN ranked AS ranked
    ON participants.conversation_key = ranked.conversation_key
  LEFT JOIN core_dim_read_marks AS marks
    ON participants.conversation_key = marks.conversation_key
    AND participants.user_key = marks.user_key
  LEFT JOIN writers AS writers
    ON participants.conversation_key = writers.conversation_key
    AND participants.user_key = writers.user_key
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON participants.user_key = bots.user_key
  WHERE
    (
      COALESCE(participants.joined_at < (
        CAST(:data_through AS TIMESTAMP)
      ), TRUE)
      AND COALESCE(participants.left_at >= (
        CAST(:data_through AS TIMESTAMP)
      ), TRUE)
    )
  GROUP BY
    participants.conversation_key
)
SELECT
  ranked.conversation_id,
  ranked.conversation_type AS type,
  ranked.title,
  COALESCE(members.member_count, 0) AS member_count,
  COALESCE(members.read_count, 0) AS read_count,
  (
    CAST(COALESCE(
      (
        CAST((
          COALESCE(members.read_count, 0)
        ) AS DECIMAL(38, 0)) * 20000 + (
          COALESCE(members.member_count, 0)
        )
      ) DIV NULLIF(CAST((
        COALESCE(members.member_count, 0)
      ) AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS read_share,
  ranked.sent_at AS newest_message_at
FROM ranked AS ranked
LEFT JOIN members AS members
  ON ranked.conversation_key = members.conversation_key
ORDER BY
  ranked.sent_at DESC,
  ranked.conversation_id NULLS LAST
