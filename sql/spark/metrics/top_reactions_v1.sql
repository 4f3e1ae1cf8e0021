-- Generated from sql/metrics/top_reactions_v1.sql by the target `catalog`: change that file.
WITH given AS (
  SELECT
    conversation_key,
    user_key,
    emoji
  FROM core_fact_reactions AS fact_reactions
  WHERE
    (
      created_at >= CAST(:since AS TIMESTAMP)
      AND created_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      )
    )
)
SELECT
  found.emoji,
  COUNT(*) AS reaction_count,
  COUNT(DISTINCT found.user_key) AS people_count
FROM (
  SELECT
    found.*
  FROM (
    SELECT
      *
    FROM given AS given
    WHERE
      CAST(:for_conversation AS STRING) IS NULL
      AND CAST(:visible_to AS STRING) IS NULL
      AND CAST(:for_user AS STRING) IS NULL
    UNION ALL
    SELECT
      scoped.*
    FROM given AS scoped
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
    FROM given AS theirs
    WHERE
      CAST(:for_conversation AS STRING) IS NULL
      AND CAST(:visible_to AS STRING) IS NULL
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
GROUP BY
  found.emoji
ORDER BY
  reaction_count DESC,
  people_count DESC,
  found.emoji NULLS LAST
LIMIT COALESCE(CAST(:top_n AS INT), 2147483647)
