-- Generated from sql/metrics/top_senders_v1.sql by the target `catalog`: change that file.
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
      AND CAST(:for_type AS STRING) IS NULL
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
      AND CAST(:for_type AS STRING) IS NULL
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
      ON sent.conversation_key = scope.conversation_key
    WHERE
      (
        NOT CAST(:for_conversation AS STRING) IS NULL
        OR NOT CAST(:for_type AS STRING) IS NULL
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
  GROUP BY
    found.user_key
), named AS (
  SELECT
    everybody.*
  FROM written AS everybody
  WHERE
    CAST(:visible_to AS STRING) IS NULL
  UNION ALL
  SELECT
    seen.*
  FROM written AS seen
  SEMI JOIN (
    SELECT
      participants.user_key
    FROM core_dim_participants AS participants
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
    WHERE
      CAST(:for_conversation AS STRING) IS NULL
  ) AS present
    ON seen.user_key = present.user_key
  WHERE
    NOT CAST(:visible_to AS STRING) IS NULL
)
SELECT
  users.user_id,
  CASE WHEN users.deleted_at IS NULL THEN users.username END AS username,
  CAST(named.message_count AS BIGINT) AS message_count
FROM named AS named
INNER JOIN core_dim_users AS users
  ON named.user_key = users.user_key
ORDER BY
  named.message_count DESC,
  users.user_id NULLS LAST
LIMIT COALESCE(CAST(:top_n AS INT), 2147483647)
