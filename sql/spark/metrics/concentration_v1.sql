-- Generated from sql/metrics/concentration_v1.sql by the target `catalog`: change that file.
WITH written AS (
  SELECT
    found.user_key,
    SUM(found.message_count) AS message_count
  FROM (
    SELECT
      user_key,
      sent_count AS message_count
    FROM core_user_days AS user_days
    WHERE
      CAST(:for_conversation AS STRING) IS NULL
      AND CAST(:visible_to AS STRING) IS NULL
      AND sent_count > 0
      AND (
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
      sender_key AS user_key,
      1 AS message_count
    FROM core_fact_messages AS fact_messages
    WHERE
      CAST(:for_conversation AS STRING) IS NULL
      AND CAST(:visible_to AS STRING) IS NULL
      AND (
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
      AND message_type IS DISTINCT FROM 'system'
      AND NOT sender_key IS NULL
    UNION ALL
    SELECT
      sent.user_key,
      sent.message_count
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
    ) AS sent
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
      ON sent.conversation_key = scope.conversation_key
    WHERE
      (
        NOT CAST(:for_conversation AS STRING) IS NULL
        OR NOT CAST(:visible_to AS STRING) IS NULL
      )
      AND NOT sent.is_system
      AND NOT sent.user_key IS NULL
  ) AS found
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON found.user_key = bots.user_key
  WHERE
    NOT found.user_key IS NULL
  GROUP BY
    found.user_key
), ranked AS (
  SELECT
    written.message_count,
    ROW_NUMBER() OVER (ORDER BY written.message_count DESC) AS place,
    COUNT(*) OVER () AS writer_count
  FROM written AS written
), counted AS (
  SELECT
    COUNT(*) AS writers,
    COALESCE(SUM(ranked.message_count), 0) AS messages,
    SUM(ranked.message_count) FILTER(WHERE
      ranked.place <= (
        ranked.writer_count + 99
      ) DIV 100) AS of_hundredth,
    SUM(ranked.message_count) FILTER(WHERE
      ranked.place <= (
        ranked.writer_count + 9
      ) DIV 10) AS of_tenth,
    SUM(ranked.message_count) FILTER(WHERE
      ranked.place <= (
        ranked.writer_count + 1
      ) DIV 2) AS of_half,
    SUM(ranked.message_count * (
      ranked.writer_count + 1 - 2 * ranked.place
    )) AS inequality
  FROM ranked AS ranked
)
SELECT
  CAST(counted.messages AS BIGINT) AS messages,
  counted.writers,
  (
    CAST(COALESCE(
      (
        CAST((
          COALESCE(counted.of_hundredth, 0)
        ) AS DECIMAL(38, 0)) * 20000 + counted.messages
      ) DIV NULLIF(CAST(counted.messages AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS top_1_percent_share,
  (
    CAST(COALESCE(
      (
        CAST((
          COALESCE(counted.of_tenth, 0)
        ) AS DECIMAL(38, 0)) * 20000 + counted.messages
      ) DIV NULLIF(CAST(counted.messages AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS top_10_percent_share,
  (
    CAST(COALESCE(
      (
        CAST((
          COALESCE(counted.of_half, 0)
        ) AS DECIMAL(38, 0)) * 20000 + counted.messages
      ) DIV NULLIF(CAST(counted.messages AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS top_half_share,
  CASE
    WHEN counted.writers > 0
    THEN (
      CAST(COALESCE(
        (
          CAST(counted.inequality AS DECIMAL(38, 0)) * 200 + (
            counted.writers * counted.messages
          )
        ) DIV NULLIF(CAST((
          counted.writers * counted.messages
        ) AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    )
  END AS gini
FROM counted AS counted
