-- Generated from sql/metrics/conversation_stats_v1.sql by the target `catalog`: change that file.
WITH conversation AS (
  SELECT
    conversations.*,
    CASE
      WHEN NOT conversations.created_at IS NULL
      THEN GREATEST(
        1,
        (
          (
            UNIX_MICROS((
              COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
            )) - UNIX_MICROS(conversations.created_at)
          ) + 86399999999
        ) DIV 86400000000
      )
    END AS age_days
  FROM core_dim_conversations AS conversations
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
    ON conversations.conversation_key = scope.conversation_key
  WHERE
    CAST(conversations.conversation_id AS STRING) = CAST(:for_conversation AS STRING)
    AND conversations.in_source
    AND COALESCE(
      conversations.created_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ),
      TRUE
    )
), ever_sent AS (
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
              COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
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
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT (
          created_at >= CAST((
            CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) + CAST(CAST('0001-01-01' AS TIMESTAMP) > CAST(CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
          ) AS TIMESTAMP)
          AND created_at < CAST((
            GREATEST(
              CAST((
                COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
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
), sent AS (
  SELECT
    *
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
  ) AS rows_in_scope
), totals AS (
  SELECT
    COALESCE(SUM(sent.message_count), 0) AS message_count,
    MIN(sent.first_at) AS first_at,
    MAX(sent.last_at) AS last_at
  FROM sent AS sent
), people AS (
  SELECT
    COUNT(*) AS participant_count,
    COUNT(*) FILTER(WHERE
      NOT matched_1.user_key IS NULL) AS active_participants
  FROM core_dim_participants AS participants
  SEMI JOIN conversation AS conversation
    ON participants.conversation_key = conversation.conversation_key
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON participants.user_key = bots.user_key
  LEFT JOIN (
    SELECT DISTINCT
      user_key
    FROM (
      SELECT
        sent.user_key
      FROM sent AS sent
      WHERE
        NOT sent.is_system AND NOT sent.user_key IS NULL
    ) AS matched
  ) AS matched_1
    ON participants.user_key = matched_1.user_key
  WHERE
    (
      COALESCE(
        participants.joined_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        ),
        TRUE
      )
      AND COALESCE(
        participants.left_at >= (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        ),
        TRUE
      )
    )
)
SELECT
  conversation.conversation_id,
  conversation.conversation_type AS type,
  conversation.title,
  conversation.created_at,
  people.participant_count,
  people.active_participants,
  CAST(totals.message_count AS BIGINT) AS message_count,
  CASE
    WHEN NOT conversation.age_days IS NULL
    THEN (
      CAST(COALESCE(
        (
          CAST(totals.message_count AS DECIMAL(38, 0)) * 200 * 86400000000 + (
            conversation.age_days * 86400000000
          )
        ) DIV NULLIF(CAST((
          conversation.age_days * 86400000000
        ) AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    )
  END AS messages_per_day,
  conversation.age_days AS conversation_age_days,
  totals.first_at AS first_message_date,
  totals.last_at AS last_message_date
FROM conversation AS conversation
CROSS JOIN people AS people
CROSS JOIN totals AS totals
