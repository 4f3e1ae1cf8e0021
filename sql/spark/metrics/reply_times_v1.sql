-- Generated from sql/metrics/reply_times_v1.sql by the target `catalog`: change that file.
WITH outcomes AS (
  SELECT
    *
  FROM (
    SELECT
      *
    FROM core_message_outcomes AS message_outcomes
    WHERE
      CAST(:for_conversation AS STRING) IS NULL
      AND CAST(:visible_to AS STRING) IS NULL
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
      AND (
        scoped.created_at >= CAST(:since AS TIMESTAMP)
        AND scoped.created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
      )
  ) AS outcome_rows
), reply_pauses AS (
  SELECT
    outcomes.conversation_type,
    outcomes.reply_seconds AS seconds,
    COUNT(*) AS row_count
  FROM outcomes AS outcomes
  WHERE
    NOT outcomes.reply_seconds IS NULL
  GROUP BY
    outcomes.conversation_type,
    outcomes.reply_seconds
), judged AS (
  SELECT
    outcomes.conversation_type,
    COUNT(*) AS message_count,
    COUNT(*) FILTER(WHERE
      outcomes.answer_seconds < 3600) AS soon_count,
    COUNT(outcomes.answer_seconds) AS answered_count
  FROM outcomes AS outcomes
  WHERE
    (
      outcomes.created_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ) - (
        INTERVAL '24' HOURS
      )
    )
  GROUP BY
    outcomes.conversation_type
), parts_2 AS (
  SELECT
    conversation_type,
    seconds,
    row_count
  FROM reply_pauses AS reply_pauses
  WHERE
    NOT conversation_type IS NULL
  UNION ALL
  SELECT
    CAST(NULL AS STRING) AS conversation_type,
    seconds,
    SUM(row_count) AS row_count
  FROM reply_pauses AS reply_pauses
  GROUP BY
    seconds
), totals AS (
  SELECT
    conversation_type,
    SUM(row_count) AS pause_count
  FROM parts_2 AS parts
  GROUP BY
    conversation_type
), ranked AS (
  SELECT
    *,
    SUM(row_count) OVER (PARTITION BY conversation_type ORDER BY seconds NULLS LAST) AS reached_count
  FROM parts_2 AS parts
), parts AS (
  SELECT
    pauses.conversation_type,
    pauses.pause_count,
    pauses.half_seconds,
    pauses.nine_tenths_seconds,
    CAST(NULL AS BIGINT) AS message_count,
    CAST(NULL AS BIGINT) AS soon_count,
    CAST(NULL AS BIGINT) AS answered_count
  FROM (
    SELECT
      totals.conversation_type,
      ANY_VALUE(totals.pause_count) IGNORE NULLS AS pause_count,
      MIN(ranked.seconds) FILTER(WHERE
        ranked.reached_count * 2 >= totals.pause_count) AS half_seconds,
      MIN(ranked.seconds) FILTER(WHERE
        ranked.reached_count * 10 >= totals.pause_count * 9) AS nine_tenths_seconds
    FROM ranked AS ranked
    INNER JOIN totals AS totals
      ON ranked.conversation_type IS NOT DISTINCT FROM totals.conversation_type
    GROUP BY
      totals.conversation_type
  ) AS pauses
  UNION ALL
  SELECT
    judged.conversation_type,
    CAST(NULL AS BIGINT) AS pause_count,
    CAST(NULL AS BIGINT) AS half_seconds,
    CAST(NULL AS BIGINT) AS nine_tenths_seconds,
    judged.message_count,
    judged.soon_count,
    judged.answered_count
  FROM judged AS judged
  WHERE
    NOT judged.conversation_type IS NULL
  UNION ALL
  SELECT
    CAST(NULL AS STRING) AS conversation_type,
    CAST(NULL AS BIGINT) AS pause_count,
    CAST(NULL AS BIGINT) AS half_seconds,
    CAST(NULL AS BIGINT) AS nine_tenths_seconds,
    SUM(judged.message_count) AS message_count,
    SUM(judged.soon_count) AS soon_count,
    SUM(judged.answered_count) AS answered_count
  FROM judged AS judged
), totals_2 AS (
  SELECT
    parts.conversation_type,
    COALESCE(SUM(parts.pause_count), 0) AS reply_count,
    MAX(parts.half_seconds) AS half_seconds,
    MAX(parts.nine_tenths_seconds) AS nine_tenths_seconds,
    COALESCE(SUM(parts.message_count), 0) AS message_count,
    COALESCE(SUM(parts.soon_count), 0) AS soon_count,
    COALESCE(SUM(parts.answered_count), 0) AS answered_count
  FROM parts AS parts
  GROUP BY
    parts.conversation_type
)
SELECT
  totals.conversation_type,
  CAST(totals.reply_count AS BIGINT) AS replies,
  CAST(totals.half_seconds AS BIGINT) AS half_seconds,
  CAST(totals.nine_tenths_seconds AS BIGINT) AS nine_tenths_seconds,
  CAST(totals.message_count AS BIGINT) AS judged_messages,
  CASE
    WHEN (
      CAST(:since AS TIMESTAMP) < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ) - (
        INTERVAL '24' HOURS
      )
    )
    THEN (
      CAST(COALESCE(
        (
          CAST(totals.soon_count AS DECIMAL(38, 0)) * 20000 + totals.message_count
        ) DIV NULLIF(CAST(totals.message_count AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    )
  END AS answered_in_1_hour_rate,
  CASE
    WHEN (
      CAST(:since AS TIMESTAMP) < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ) - (
        INTERVAL '24' HOURS
      )
    )
    THEN (
      CAST(COALESCE(
        (
          CAST(totals.answered_count AS DECIMAL(38, 0)) * 20000 + totals.message_count
        ) DIV NULLIF(CAST(totals.message_count AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    )
  END AS answered_in_24_hours_rate,
  CAST(0 AS DECIMAL(18, 2)) AS relative_error
FROM totals_2 AS totals
ORDER BY
  totals.conversation_type
