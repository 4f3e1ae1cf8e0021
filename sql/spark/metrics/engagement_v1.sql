-- Generated from sql/metrics/engagement_v1.sql by the target `catalog`: change that file.
WITH present AS (
  SELECT
    (
      SHIFTRIGHT(found.user_key, CAST(12 AS INT))
    ) AS part,
    (
      CASE
        WHEN COUNT(found.user_key & 4095) > 0
        THEN COLLECT_SET(found.user_key & 4095)
      END
    ) AS bits
  FROM (
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
  ) AS found
  WHERE
    NOT CAST(:visible_to AS STRING) IS NULL
  GROUP BY
    part
), people AS (
  SELECT
    users.user_key
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
    INNER JOIN present AS present
      ON (
        SHIFTRIGHT(seen.user_key, CAST(12 AS INT))
      ) = present.part
    WHERE
      NOT CAST(:visible_to AS STRING) IS NULL
      AND (
        CAST(ARRAY_CONTAINS(present.bits, seen.user_key & 4095) AS INT) = 1
      )
  ) AS users
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON users.user_key = bots.user_key
  WHERE
    users.in_source
    AND COALESCE(
      users.created_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ),
      TRUE
    )
    AND COALESCE(
      users.deleted_at >= (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ),
      TRUE
    )
), sent AS (
  SELECT
    written.user_key,
    SUM(written.message_count) AS message_count
  FROM (
    SELECT
      user_key,
      sent_count AS message_count
    FROM core_user_days AS user_days
    WHERE
      CAST(:visible_to AS STRING) IS NULL
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
      CAST(:visible_to AS STRING) IS NULL
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
      ON sent.conversation_key = scope.conversation_key
    WHERE
      (
        NOT CAST(:visible_to AS STRING) IS NULL
      )
      AND NOT sent.is_system
      AND NOT sent.user_key IS NULL
  ) AS written
  GROUP BY
    written.user_key
), counted AS (
  SELECT
    COUNT(*) AS total_users,
    COUNT(*) FILTER(WHERE
      sent.message_count >= 1) AS active_users,
    COUNT(*) FILTER(WHERE
      sent.message_count >= CAST(:engaged_from AS INT)) AS engaged_users
  FROM people AS people
  LEFT JOIN sent AS sent
    ON people.user_key = sent.user_key
)
SELECT
  counted.total_users,
  counted.active_users,
  counted.engaged_users,
  (
    CAST(COALESCE(
      (
        CAST(counted.active_users AS DECIMAL(38, 0)) * 20000 + counted.total_users
      ) DIV NULLIF(CAST(counted.total_users AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS engagement_rate,
  (
    CAST(COALESCE(
      (
        CAST(counted.engaged_users AS DECIMAL(38, 0)) * 20000 + counted.total_users
      ) DIV NULLIF(CAST(counted.total_users AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS deep_engagement_rate
FROM counted AS counted
