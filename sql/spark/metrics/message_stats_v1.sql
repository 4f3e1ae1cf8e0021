-- Generated from sql/metrics/message_stats_v1.sql by the target `catalog`: change that file.
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
), totals AS (
  SELECT
    COALESCE(SUM(found.message_count), 0) AS total_messages,
    COALESCE(SUM(found.text_count), 0) AS text_messages,
    COALESCE(SUM(found.image_count), 0) AS image_messages,
    COALESCE(SUM(found.file_count), 0) AS file_messages,
    COALESCE(SUM(found.message_count) FILTER(WHERE
      found.is_system), 0) AS system_messages,
    COUNT(DISTINCT found.user_key) FILTER(WHERE
      NOT found.is_system) AS unique_senders,
    COALESCE(SUM(found.length_sum), 0) AS length_sum,
    COALESCE(SUM(found.measured_count), 0) AS measured_count
  FROM (
    SELECT
      found.*
    FROM (
      SELECT
        *
      FROM sent AS sent
      WHERE
        CAST(:for_conversation AS STRING) IS NULL
        AND CAST(:visible_to AS STRING) IS NULL
        AND CAST(:for_user AS STRING) IS NULL
        AND CAST(:for_type AS STRING) IS NULL
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
            NOT CAST(:for_conversation AS STRING) IS NULL
            OR NOT CAST(:for_type AS STRING) IS NULL
          )
          AND (
            CAST(:for_conversation AS STRING) IS NULL
            OR CAST(conversations.conversation_id AS STRING) = CAST(:for_conversation AS STRING)
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
          NOT CAST(:visible_to AS STRING) IS NULL
          AND CAST(:for_conversation AS STRING) IS NULL
          AND CAST(:for_type AS STRING) IS NULL
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
            OR NOT CAST(:for_type AS STRING) IS NULL
          )
          AND (
            CAST(:for_conversation AS STRING) IS NULL
            OR CAST(conversations.conversation_id AS STRING) = CAST(:for_conversation AS STRING)
          )
          AND (
            CAST(:for_type AS STRING) IS NULL
            OR conversations.conversation_type = CAST(:for_type AS STRING)
          )
      ) AS scope
        ON scoped.conversation_key = scope.conversation_key
      WHERE
        (
          NOT CAST(:for_conversation AS STRING) IS NULL
          OR NOT CAST(:visible_to AS STRING) IS NULL
          OR NOT CAST(:for_type AS STRING) IS NULL
        )
        AND (
          CAST(:for_user AS STRING) IS NULL
          OR scoped.user_key = (
            SELECT
              seen.user_key
            FROM (
              SELECT
                everybody.*
              FROM core_dim_users AS everybody
              WHERE
                CAST(:visible_to AS STRING) IS NULL
              UNION ALL
              SELECT
                seen.*
              FROM core_dim_users AS seen
              SEMI JOIN (
                SELECT
                  participants.user_key
                FROM core_dim_participants AS participants
                SEMI JOIN (
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
                ) AS scope
                  ON participants.conversation_key = scope.conversation_key
                WHERE
                  (
                    COALESCE(participants.joined_at < (
                      CAST(:data_through AS TIMESTAMP)
                    ), TRUE)
                    AND COALESCE(participants.left_at >= (
                      CAST(:data_through AS TIMESTAMP)
                    ), TRUE)
                  )
                UNION ALL
                SELECT
                  viewer.user_key
                FROM (
                  SELECT
                    users.user_key
                  FROM core_dim_users AS users
                  WHERE
                    CAST(users.user_id AS STRING) = CAST(:visible_to AS STRING)
                    AND users.in_source
                    AND users.deleted_at IS NULL
                ) AS viewer
              ) AS present
                ON seen.user_key = present.user_key
              WHERE
                NOT CAST(:visible_to AS STRING) IS NULL
            ) AS seen
            WHERE
              NOT CAST(:for_user AS STRING) IS NULL
              AND CAST(seen.user_id AS STRING) = CAST(:for_user AS STRING)
          )
        )
      UNION ALL
      SELECT
        theirs.*
      FROM sent AS theirs
      WHERE
        CAST(:for_conversation AS STRING) IS NULL
        AND CAST(:visible_to AS STRING) IS NULL
        AND CAST(:for_type AS STRING) IS NULL
        AND NOT CAST(:for_user AS STRING) IS NULL
        AND theirs.user_key = (
          SELECT
            users.user_key
          FROM core_dim_users AS users
          WHERE
            CAST(users.user_id AS STRING) = CAST(:for_user AS STRING)
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
), typed AS (
  SELECT
    totals.*,
    totals.total_messages - totals.text_messages - totals.image_messages - totals.file_messages - totals.system_messages AS other_messages
  FROM totals AS totals
)
SELECT
  CAST(typed.total_messages AS BIGINT) AS total_messages,
  CAST(typed.text_messages AS BIGINT) AS text_messages,
  CAST(typed.image_messages AS BIGINT) AS image_messages,
  CAST(typed.file_messages AS BIGINT) AS file_messages,
  CAST(typed.system_messages AS BIGINT) AS system_messages,
  CAST(typed.other_messages AS BIGINT) AS other_messages,
  typed.unique_senders,
  (
    CAST(COALESCE(
      (
        CAST(typed.length_sum AS DECIMAL(38, 0)) * 20 + typed.measured_count
      ) DIV NULLIF(CAST(typed.measured_count AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.1 AS DECIMAL(2, 1))
  ) AS avg_message_length,
  STRUCT(
    (
      CAST(COALESCE(
        (
          CAST(typed.text_messages AS DECIMAL(38, 0)) * 20000 + typed.total_messages
        ) DIV NULLIF(CAST(typed.total_messages AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    ) AS text,
    (
      CAST(COALESCE(
        (
          CAST(typed.image_messages AS DECIMAL(38, 0)) * 20000 + typed.total_messages
        ) DIV NULLIF(CAST(typed.total_messages AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    ) AS image,
    (
      CAST(COALESCE(
        (
          CAST(typed.file_messages AS DECIMAL(38, 0)) * 20000 + typed.total_messages
        ) DIV NULLIF(CAST(typed.total_messages AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    ) AS file,
    (
      CAST(COALESCE(
        (
          CAST(typed.system_messages AS DECIMAL(38, 0)) * 20000 + typed.total_messages
        ) DIV NULLIF(CAST(typed.total_messages AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    ) AS system,
    (
      CAST(COALESCE(
        (
          CAST(typed.other_messages AS DECIMAL(38, 0)) * 20000 + typed.total_messages
        ) DIV NULLIF(CAST(typed.total_messages AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    ) AS other
  ) AS message_type_distribution
FROM typed AS typed
