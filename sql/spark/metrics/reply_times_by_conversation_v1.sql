-- Generated from sql/metrics/reply_times_by_conversation_v1.sql by the target `catalog`: change that file.
WITH outcomes AS (
  SELECT
    found.*
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
  ) AS found
  SEMI JOIN (
    SELECT
      members.conversation_key
    FROM (
      SELECT
        everybody.*
      FROM core_dim_participants AS everybody
      WHERE
        CAST(:visible_to AS STRING) IS NULL
      UNION ALL
      SELECT
        seen.*
      FROM core_dim_participants AS seen
      SEMI JOIN (
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
        ON seen.conversation_key = mine.conversation_key
      WHERE
        NOT CAST(:visible_to AS STRING) IS NULL
    ) AS members
    INNER JOIN core_dim_users AS users
      ON members.user_key = users.user_key
    WHERE
      users.in_source
      AND NOT users.is_bot IS TRUE
      AND users.deleted_at IS NULL
      AND (
        COALESCE(members.joined_at < (
          CAST(:data_through AS TIMESTAMP)
        ), TRUE)
        AND COALESCE(members.left_at >= (
          CAST(:data_through AS TIMESTAMP)
        ), TRUE)
      )
    GROUP BY
      members.conversation_key
    HAVING
      COUNT(*) >= 5
  ) AS shown
    ON found.conversation_key = shown.conversation_key
), replied AS (
  SELECT
    outcomes.conversation_key,
    COUNT(*) AS reply_count
  FROM outcomes AS outcomes
  WHERE
    NOT outcomes.reply_seconds IS NULL
  GROUP BY
    outcomes.conversation_key
), ranked AS (
  SELECT
    conversations.*,
    replied.reply_count
  FROM replied AS replied
  INNER JOIN core_dim_conversations AS conversations
    ON replied.conversation_key = conversations.conversation_key
  ORDER BY
    replied.reply_count DESC,
    conversations.conversation_id NULLS LAST
  LIMIT COALESCE(CAST(:top_n AS INT), 2147483647)
), counted AS (
  SELECT
    outcomes.conversation_key,
    CASE
      WHEN COUNT(outcomes.reply_seconds) > 0
      THEN ARRAY(
        CAST(PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY
          outcomes.reply_seconds) AS BIGINT),
        CAST(PERCENTILE_DISC(0.9) WITHIN GROUP (ORDER BY
          outcomes.reply_seconds) AS BIGINT)
      )
    END AS quantiles,
    COUNT(*) FILTER(WHERE
      (
        outcomes.created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        ) - (
          INTERVAL '24' HOURS
        )
      )) AS message_count,
    COUNT(*) FILTER(WHERE
      outcomes.answer_seconds < 3600
      AND (
        outcomes.created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        ) - (
          INTERVAL '24' HOURS
        )
      )) AS soon_count,
    COUNT(outcomes.answer_seconds) FILTER(WHERE
      (
        outcomes.created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        ) - (
          INTERVAL '24' HOURS
        )
      )) AS answered_count
  FROM outcomes AS outcomes
  SEMI JOIN ranked AS ranked
    ON outcomes.conversation_key = ranked.conversation_key
  GROUP BY
    outcomes.conversation_key
)
SELECT
  ranked.conversation_id,
  ranked.conversation_type AS type,
  ranked.title,
  ranked.reply_count AS replies,
  CAST(GET(counted.quantiles, 0) AS BIGINT) AS half_seconds,
  CAST(GET(counted.quantiles, 1) AS BIGINT) AS nine_tenths_seconds,
  counted.message_count AS judged_messages,
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
          CAST(counted.soon_count AS DECIMAL(38, 0)) * 20000 + counted.message_count
        ) DIV NULLIF(CAST(counted.message_count AS DECIMAL(38, 0)) * 2, 0),
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
          CAST(counted.answered_count AS DECIMAL(38, 0)) * 20000 + counted.message_count
        ) DIV NULLIF(CAST(counted.message_count AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    )
  END AS answered_in_24_hours_rate
FROM ranked AS ranked
INNER JOIN counted AS counted
  ON ranked.conversation_key = counted.conversation_key
ORDER BY
  ranked.reply_count DESC,
  ranked.conversation_id NULLS LAST
