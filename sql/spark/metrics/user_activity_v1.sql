-- Generated from sql/metrics/user_activity_v1.sql by the target `catalog`: change that file.
WITH person AS (
  SELECT
    users.user_id
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
    CAST(users.user_id AS STRING) = CAST(:for_user AS STRING)
    AND users.in_source
    AND COALESCE(
      users.created_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ),
      TRUE
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
), sent AS (
  SELECT
    COALESCE(SUM(found.message_count), 0) AS message_count,
    COUNT(DISTINCT found.conversation_key) AS conversation_count
  FROM (
    SELECT
      found.*
    FROM (
      SELECT
        *
      FROM sent_rows AS sent_rows
      WHERE
        CAST(:visible_to AS STRING) IS NULL AND CAST(:for_user AS STRING) IS NULL
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
      FROM sent_rows AS theirs
      WHERE
        CAST(:visible_to AS STRING) IS NULL
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
  WHERE
    NOT found.is_system
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
), received AS (
  SELECT
    COALESCE(SUM(found.read_count), 0) AS read_count
  FROM (
    SELECT
      found.*
    FROM (
      SELECT
        *
      FROM received_rows AS received_rows
      WHERE
        CAST(:visible_to AS STRING) IS NULL AND CAST(:for_user AS STRING) IS NULL
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
      FROM received_rows AS theirs
      WHERE
        CAST(:visible_to AS STRING) IS NULL
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
), ever_sent_rows AS (
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
), ever_sent AS (
  SELECT
    MIN(found.first_at) AS first_at,
    MAX(found.last_at) AS last_at
  FROM (
    SELECT
      found.*
    FROM (
      SELECT
        *
      FROM ever_sent_rows AS ever_sent_rows
      WHERE
        CAST(:visible_to AS STRING) IS NULL AND CAST(:for_user AS STRING) IS NULL
      UNION ALL
      SELECT
        scoped.*
      FROM ever_sent_rows AS scoped
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
      FROM ever_sent_rows AS theirs
      WHERE
        CAST(:visible_to AS STRING) IS NULL
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
  WHERE
    NOT found.is_system
), ever_received_rows AS (
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
      user_key,
      1 AS read_count,
      read_at AS first_at,
      read_at AS last_at
    FROM core_fact_read_receipts AS fact_read_receipts
    WHERE
      (
        (
          read_at >= CAST('0001-01-01' AS TIMESTAMP)
          AND read_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT (
          read_at >= CAST((
            CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) + CAST(CAST('0001-01-01' AS TIMESTAMP) > CAST(CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE) AS TIMESTAMP) AS INT)
          ) AS TIMESTAMP)
          AND read_at < CAST((
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
  ) AS read_rows
), ever_received AS (
  SELECT
    MAX(found.last_at) AS last_at
  FROM (
    SELECT
      found.*
    FROM (
      SELECT
        *
      FROM ever_received_rows AS ever_received_rows
      WHERE
        CAST(:visible_to AS STRING) IS NULL AND CAST(:for_user AS STRING) IS NULL
      UNION ALL
      SELECT
        scoped.*
      FROM ever_received_rows AS scoped
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
      FROM ever_received_rows AS theirs
      WHERE
        CAST(:visible_to AS STRING) IS NULL
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
)
SELECT
  person.user_id,
  CAST(sent.message_count AS BIGINT) AS messages_sent,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN CAST(received.read_count AS BIGINT)
  END AS messages_read,
  sent.conversation_count AS active_conversations,
  (
    CAST(COALESCE(
      (
        CAST(sent.message_count AS DECIMAL(38, 0)) * 200 * 86400000000 + (
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
  ) AS avg_messages_per_day,
  ever_sent.first_at AS first_message_date,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN GREATEST(ever_sent.last_at, ever_received.last_at)
  END AS last_activity_date
FROM person AS person
CROSS JOIN sent AS sent
CROSS JOIN received AS received
CROSS JOIN ever_sent AS ever_sent
CROSS JOIN ever_received AS ever_received
