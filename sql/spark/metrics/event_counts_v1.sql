-- Generated from sql/metrics/event_counts_v1.sql by the target `catalog`: change that file.
WITH events AS (
  SELECT
    *
  FROM (
    SELECT
      event_type,
      conversation_key,
      user_key,
      event_count
    FROM core_event_days AS event_days
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
      event_type,
      conversation_key,
      user_key,
      1 AS event_count
    FROM core_fact_events AS fact_events
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
  ) AS event_rows
)
SELECT
  found.event_type,
  CAST(SUM(found.event_count) AS BIGINT) AS `count`
FROM (
  SELECT
    found.*
  FROM (
    SELECT
      *
    FROM events AS events
    WHERE
      CAST(:visible_to AS STRING) IS NULL
    UNION ALL
    SELECT
      scoped.*
    FROM events AS scoped
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
    ) AS scope
      ON scoped.conversation_key = scope.conversation_key
    WHERE
      NOT CAST(:visible_to AS STRING) IS NULL
    UNION ALL
    SELECT
      theirs.*
    FROM events AS theirs
    SEMI JOIN (
      SELECT
        users.user_key
      FROM core_dim_users AS users
      WHERE
        CAST(users.user_id AS STRING) = CAST(:visible_to AS STRING)
        AND users.in_source
        AND users.deleted_at IS NULL
    ) AS viewer
      ON theirs.user_key = viewer.user_key
    WHERE
      NOT CAST(:visible_to AS STRING) IS NULL AND theirs.conversation_key IS NULL
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
  found.event_type
ORDER BY
  `count` DESC,
  found.event_type NULLS LAST
