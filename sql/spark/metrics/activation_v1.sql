-- Generated from sql/metrics/activation_v1.sql by the target `catalog`: change that file.
WITH accounts AS (
  SELECT
    users.user_key,
    users.created_at
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
  ) AS users
  WHERE
    users.in_source
    AND users.is_bot IS DISTINCT FROM TRUE
    AND (
      users.created_at >= CAST(:since AS TIMESTAMP)
      AND users.created_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      )
    )
), sent_rows AS (
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
), received_rows AS (
  SELECT
    *
  FROM (
    SELECT
      conversation_key,
      user_key,
      read_count,
      first_at,
      last_at
    FROM core_read_days AS read_days
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
      user_key,
      1 AS read_count,
      read_at AS first_at,
      read_at AS last_at
    FROM core_fact_read_receipts AS fact_read_receipts
    WHERE
      (
        (
          read_at >= CAST(:since AS TIMESTAMP)
          AND read_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT (
          read_at >= CAST((
            CAST(CAST(:since AS TIMESTAMP) AS DATE) + CAST(CAST(:since AS TIMESTAMP) > CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
          ) AS TIMESTAMP)
          AND read_at < CAST((
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
  ) AS read_rows
), spans AS (
  SELECT
    accounts.user_key,
    accounts.created_at,
    found.conversation_key,
    found.first_at,
    found.last_at,
    found.is_sent
  FROM (
    SELECT
      sent.conversation_key,
      sent.user_key,
      sent.first_at,
      sent.last_at,
      TRUE AS is_sent
    FROM (
      SELECT
        found.*
      FROM (
        SELECT
          *
        FROM sent_rows AS sent_rows
        WHERE
          CAST(:visible_to AS STRING) IS NULL
        UNION ALL
        SELECT
          scoped.*
        FROM sent_rows AS scoped
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
          ON scoped.conversation_key = scope.conversation_key
        WHERE
          (
            NOT CAST(:visible_to AS STRING) IS NULL
          )
      ) AS found
      ANTI JOIN (
        SELECT
          user_key
        FROM core_dim_users AS dim_users
        WHERE
          FALSE
      ) AS bots
        ON found.user_key = bots.user_key
    ) AS sent
    WHERE
      NOT sent.is_system AND NOT sent.user_key IS NULL
    UNION ALL
    SELECT
      received.conversation_key,
      received.user_key,
      received.first_at,
      received.last_at,
      FALSE AS is_sent
    FROM (
      SELECT
        found.*
      FROM (
        SELECT
          *
        FROM received_rows AS received_rows
        WHERE
          CAST(:visible_to AS STRING) IS NULL
        UNION ALL
        SELECT
          scoped.*
        FROM received_rows AS scoped
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
          ON scoped.conversation_key = scope.conversation_key
        WHERE
          (
            NOT CAST(:visible_to AS STRING) IS NULL
          )
      ) AS found
      ANTI JOIN (
        SELECT
          user_key
        FROM core_dim_users AS dim_users
        WHERE
          FALSE
      ) AS bots
        ON found.user_key = bots.user_key
    ) AS received
    WHERE
      NOT received.user_key IS NULL
  ) AS found
  INNER JOIN accounts AS accounts
    ON found.user_key = accounts.user_key
  WHERE
    found.last_at >= accounts.created_at
    AND found.first_at < accounts.created_at + (
      INTERVAL '14' DAYS
    )
), active AS (
  SELECT
    user_key,
    BOOL_OR(
      is_sent
      AND (
        (
          first_at >= created_at
          AND first_at < (
            created_at + (
              INTERVAL '24' HOURS
            )
          )
        )
        OR (
          last_at >= created_at
          AND last_at < (
            created_at + (
              INTERVAL '24' HOURS
            )
          )
        )
      )
    ) AS wrote_in_24_hours,
    BOOL_OR(
      is_sent
      AND (
        (
          first_at >= created_at
          AND first_at < (
            created_at + (
              INTERVAL '7' DAYS
            )
          )
        )
        OR (
          last_at >= created_at
          AND last_at < (
            created_at + (
              INTERVAL '7' DAYS
            )
          )
        )
      )
    ) AS wrote_in_7_days,
    BOOL_OR(
      (
        (
          first_at >= (
            created_at + (
              INTERVAL '7' DAYS
            )
          )
          AND first_at < (
            created_at + (
              INTERVAL '14' DAYS
            )
          )
        )
        OR (
          last_at >= (
            created_at + (
              INTERVAL '7' DAYS
            )
          )
          AND last_at < (
            created_at + (
              INTERVAL '14' DAYS
            )
          )
        )
      )
    ) AS came_back
  FROM spans AS spans
  GROUP BY
    user_key
), answered AS (
  SELECT DISTINCT
    accounts.user_key
  FROM (
    SELECT
      *
    FROM core_message_outcomes AS message_outcomes
    WHERE
      CAST(:visible_to AS STRING) IS NULL
      AND (
        created_at >= CAST(:since AS TIMESTAMP)
        AND created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
      )
    UNION ALL
    SELECT
      scoped.*
    FROM core_message_outcomes AS scoped
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
      ON scoped.conversation_key = scope.conversation_key
    WHERE
      (
        NOT CAST(:visible_to AS STRING) IS NULL
      )
      AND (
        scoped.created_at >= CAST(:since AS TIMESTAMP)
        AND scoped.created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
      )
  ) AS questions
  INNER JOIN accounts AS accounts
    ON questions.sender_key = accounts.user_key
  WHERE
    NOT questions.answer_seconds IS NULL
    AND questions.created_at >= accounts.created_at
    AND questions.created_at < accounts.created_at + (
      INTERVAL '7' DAYS
    )
), judged AS (
  SELECT
    accounts.created_at <= (
      COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
    ) - (
      INTERVAL '24' HOURS
    ) AS is_after_24_hours,
    accounts.created_at <= (
      COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
    ) - (
      INTERVAL '7' DAYS
    ) AS is_after_7_days,
    accounts.created_at <= (
      COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
    ) - (
      INTERVAL '8' DAYS
    ) AS is_after_8_days,
    accounts.created_at <= (
      COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
    ) - (
      INTERVAL '14' DAYS
    ) AS is_after_14_days,
    COALESCE(active.wrote_in_24_hours, FALSE) AS wrote_in_24_hours,
    COALESCE(active.wrote_in_7_days, FALSE) AS wrote_in_7_days,
    NOT answered.user_key IS NULL AS is_answered,
    COALESCE(active.came_back, FALSE) AS came_back
  FROM accounts AS accounts
  LEFT JOIN active AS active
    ON accounts.user_key = active.user_key
  LEFT JOIN answered AS answered
    ON accounts.user_key = answered.user_key
), counted AS (
  SELECT
    COUNT(*) AS accounts,
    COUNT(*) FILTER(WHERE
      is_after_24_hours) AS judged_after_24_hours,
    COUNT(*) FILTER(WHERE
      is_after_24_hours AND wrote_in_24_hours) AS wrote_in_24_hours,
    COUNT(*) FILTER(WHERE
      is_after_7_days) AS judged_after_7_days,
    COUNT(*) FILTER(WHERE
      is_after_7_days AND wrote_in_7_days) AS wrote_in_7_days,
    COUNT(*) FILTER(WHERE
      is_after_8_days) AS judged_after_8_days,
    COUNT(*) FILTER(WHERE
      is_after_8_days AND is_answered) AS answered,
    COUNT(*) FILTER(WHERE
      is_after_14_days) AS judged_after_14_days,
    COUNT(*) FILTER(WHERE
      is_after_14_days AND came_back) AS came_back
  FROM judged AS judged
)
SELECT
  counted.accounts,
  counted.judged_after_24_hours,
  counted.wrote_in_24_hours,
  (
    CAST(COALESCE(
      (
        CAST(counted.wrote_in_24_hours AS DECIMAL(38, 0)) * 20000 + counted.judged_after_24_hours
      ) DIV NULLIF(CAST(counted.judged_after_24_hours AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS wrote_in_24_hours_rate,
  counted.judged_after_7_days,
  counted.wrote_in_7_days,
  (
    CAST(COALESCE(
      (
        CAST(counted.wrote_in_7_days AS DECIMAL(38, 0)) * 20000 + counted.judged_after_7_days
      ) DIV NULLIF(CAST(counted.judged_after_7_days AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS wrote_in_7_days_rate,
  counted.judged_after_8_days,
  counted.answered,
  (
    CAST(COALESCE(
      (
        CAST(counted.answered AS DECIMAL(38, 0)) * 20000 + counted.judged_after_8_days
      ) DIV NULLIF(CAST(counted.judged_after_8_days AS DECIMAL(38, 0)) * 2, 0),
      0
    ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
  ) AS answered_rate,
  counted.judged_after_14_days,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN counted.came_back
  END AS came_back,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN (
      CAST(COALESCE(
        (
          CAST(counted.came_back AS DECIMAL(38, 0)) * 20000 + counted.judged_after_14_days
        ) DIV NULLIF(CAST(counted.judged_after_14_days AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    )
  END AS came_back_rate
FROM counted AS counted
