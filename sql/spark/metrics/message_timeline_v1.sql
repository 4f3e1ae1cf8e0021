-- Generated from sql/metrics/message_timeline_v1.sql by the target `catalog`: change that file.
WITH zones AS (
  SELECT
    *
  FROM (
    SELECT
      spans.from_utc,
      spans.to_utc,
      MAKE_DT_INTERVAL(0, 0, CAST(spans.offset_minutes AS INT), 0) AS shift
    FROM core_tz_spans AS spans
    WHERE
      spans.tz_name = CAST(:tz AS STRING)
      AND spans.from_utc < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ) + (
        INTERVAL '40' DAYS
      )
      AND spans.to_utc > CAST(:since AS TIMESTAMP) - (
        INTERVAL '40' DAYS
      )
  ) AS zone_spans
), hours AS (
  SELECT
    GREATEST(opened.from_utc, opened.local_at - opened.shift) AS bucket_at
  FROM (
    SELECT
      zones.from_utc,
      zones.shift,
      EXPLODE(
        CASE
          WHEN TIMESTAMP_MICROS(
            (
              (
                UNIX_MICROS(
                  GREATEST(zones.from_utc, CAST(:since AS TIMESTAMP) - (
                    INTERVAL '2' HOURS
                  )) + zones.shift
                ) + 199999998000000000
              ) DIV 3600000000
            ) * 3600000000 - 199999998000000000
          ) <= (
            LEAST(
              zones.to_utc,
              (
                COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
              ) + (
                INTERVAL '2' HOURS
              )
            ) + zones.shift - (
              INTERVAL '1' MICROSECOND
            )
          )
          THEN SEQUENCE(
            TIMESTAMP_MICROS(
              (
                (
                  UNIX_MICROS(
                    GREATEST(zones.from_utc, CAST(:since AS TIMESTAMP) - (
                      INTERVAL '2' HOURS
                    )) + zones.shift
                  ) + 199999998000000000
                ) DIV 3600000000
              ) * 3600000000 - 199999998000000000
            ),
            GREATEST(
              TIMESTAMP_MICROS(
                (
                  (
                    UNIX_MICROS(
                      GREATEST(zones.from_utc, CAST(:since AS TIMESTAMP) - (
                        INTERVAL '2' HOURS
                      )) + zones.shift
                    ) + 199999998000000000
                  ) DIV 3600000000
                ) * 3600000000 - 199999998000000000
              ),
              LEAST(
                zones.to_utc,
                (
                  COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
                ) + (
                  INTERVAL '2' HOURS
                )
              ) + zones.shift - (
                INTERVAL '1' MICROSECOND
              )
            ),
            (
              INTERVAL '1' HOUR
            )
          )
        END
      ) AS local_at
    FROM zones AS zones
    WHERE
      CAST(:every AS STRING) = 'hourly'
      AND zones.from_utc < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ) + (
        INTERVAL '2' HOURS
      )
      AND zones.to_utc > CAST(:since AS TIMESTAMP) - (
        INTERVAL '2' HOURS
      )
  ) AS opened
), periods AS (
  SELECT
    EXPLODE(
      CASE
        WHEN CASE CAST(:every AS STRING)
          WHEN 'monthly'
          THEN CAST(DATE_SUB(
            CAST(CAST(:since AS TIMESTAMP) - (
              INTERVAL '2' DAYS
            ) AS DATE),
            DAY(CAST(CAST(:since AS TIMESTAMP) - (
              INTERVAL '2' DAYS
            ) AS DATE)) - 1
          ) AS TIMESTAMP)
          WHEN 'weekly'
          THEN CAST(DATE_SUB(
            CAST(CAST(:since AS TIMESTAMP) - (
              INTERVAL '2' DAYS
            ) AS DATE),
            (
              DAYOFWEEK(CAST(CAST(:since AS TIMESTAMP) - (
                INTERVAL '2' DAYS
              ) AS DATE)) + 5
            ) % 7
          ) AS TIMESTAMP)
          ELSE CAST(CAST(CAST(:since AS TIMESTAMP) - (
            INTERVAL '2' DAYS
          ) AS DATE) AS TIMESTAMP)
        END <= (
          CASE CAST(:every AS STRING)
            WHEN 'monthly'
            THEN CAST(DATE_SUB(
              CAST((
                COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
              ) + (
                INTERVAL '2' DAYS
              ) AS DATE),
              DAY(
                CAST((
                  COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
                ) + (
                  INTERVAL '2' DAYS
                ) AS DATE)
              ) - 1
            ) AS TIMESTAMP)
            WHEN 'weekly'
            THEN CAST(DATE_SUB(
              CAST((
                COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
              ) + (
                INTERVAL '2' DAYS
              ) AS DATE),
              (
                DAYOFWEEK(
                  CAST((
                    COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
                  ) + (
                    INTERVAL '2' DAYS
                  ) AS DATE)
                ) + 5
              ) % 7
            ) AS TIMESTAMP)
            ELSE CAST(CAST((
              COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
            ) + (
              INTERVAL '2' DAYS
            ) AS DATE) AS TIMESTAMP)
          END + (
            MAKE_INTERVAL(
              0,
              CASE CAST(:every AS STRING) WHEN 'monthly' THEN 1 WHEN 'weekly' THEN 0 ELSE 0 END,
              0,
              CASE CAST(:every AS STRING) WHEN 'monthly' THEN 0 WHEN 'weekly' THEN 7 ELSE 1 END,
              0,
              0,
              0
            )
          )
        )
        THEN SEQUENCE(
          CASE CAST(:every AS STRING)
            WHEN 'monthly'
            THEN CAST(DATE_SUB(
              CAST(CAST(:since AS TIMESTAMP) - (
                INTERVAL '2' DAYS
              ) AS DATE),
              DAY(CAST(CAST(:since AS TIMESTAMP) - (
                INTERVAL '2' DAYS
              ) AS DATE)) - 1
            ) AS TIMESTAMP)
            WHEN 'weekly'
            THEN CAST(DATE_SUB(
              CAST(CAST(:since AS TIMESTAMP) - (
                INTERVAL '2' DAYS
              ) AS DATE),
              (
                DAYOFWEEK(CAST(CAST(:since AS TIMESTAMP) - (
                  INTERVAL '2' DAYS
                ) AS DATE)) + 5
              ) % 7
            ) AS TIMESTAMP)
            ELSE CAST(CAST(CAST(:since AS TIMESTAMP) - (
              INTERVAL '2' DAYS
            ) AS DATE) AS TIMESTAMP)
          END,
          GREATEST(
            CASE CAST(:every AS STRING)
              WHEN 'monthly'
              THEN CAST(DATE_SUB(
                CAST(CAST(:since AS TIMESTAMP) - (
                  INTERVAL '2' DAYS
                ) AS DATE),
                DAY(CAST(CAST(:since AS TIMESTAMP) - (
                  INTERVAL '2' DAYS
                ) AS DATE)) - 1
              ) AS TIMESTAMP)
              WHEN 'weekly'
              THEN CAST(DATE_SUB(
                CAST(CAST(:since AS TIMESTAMP) - (
                  INTERVAL '2' DAYS
                ) AS DATE),
                (
                  DAYOFWEEK(CAST(CAST(:since AS TIMESTAMP) - (
                    INTERVAL '2' DAYS
                  ) AS DATE)) + 5
                ) % 7
              ) AS TIMESTAMP)
              ELSE CAST(CAST(CAST(:since AS TIMESTAMP) - (
                INTERVAL '2' DAYS
              ) AS DATE) AS TIMESTAMP)
            END,
            CASE CAST(:every AS STRING)
              WHEN 'monthly'
              THEN CAST(DATE_SUB(
                CAST((
                  COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
                ) + (
                  INTERVAL '2' DAYS
                ) AS DATE),
                DAY(
                  CAST((
                    COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
                  ) + (
                    INTERVAL '2' DAYS
                  ) AS DATE)
                ) - 1
              ) AS TIMESTAMP)
              WHEN 'weekly'
              THEN CAST(DATE_SUB(
                CAST((
                  COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
                ) + (
                  INTERVAL '2' DAYS
                ) AS DATE),
                (
                  DAYOFWEEK(
                    CAST((
                      COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
                    ) + (
                      INTERVAL '2' DAYS
                    ) AS DATE)
                  ) + 5
                ) % 7
              ) AS TIMESTAMP)
              ELSE CAST(CAST((
                COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
              ) + (
                INTERVAL '2' DAYS
              ) AS DATE) AS TIMESTAMP)
            END + (
              MAKE_INTERVAL(
                0,
                CASE CAST(:every AS STRING) WHEN 'monthly' THEN 1 WHEN 'weekly' THEN 0 ELSE 0 END,
                0,
                CASE CAST(:every AS STRING) WHEN 'monthly' THEN 0 WHEN 'weekly' THEN 7 ELSE 1 END,
                0,
                0,
                0
              )
            )
          ),
          (
            MAKE_INTERVAL(
              0,
              CASE CAST(:every AS STRING) WHEN 'monthly' THEN 1 WHEN 'weekly' THEN 0 ELSE 0 END,
              0,
              CASE CAST(:every AS STRING) WHEN 'monthly' THEN 0 WHEN 'weekly' THEN 7 ELSE 1 END,
              0,
              0,
              0
            )
          )
        )
      END
    ) AS local_at
  WHERE
    CAST(:every AS STRING) <> 'hourly'
), days AS (
  SELECT
    MIN(GREATEST(zones.from_utc, periods.local_at - zones.shift)) AS bucket_at
  FROM periods AS periods
  INNER JOIN zones AS zones
    ON GREATEST(zones.from_utc, periods.local_at - zones.shift) < zones.to_utc
  GROUP BY
    periods.local_at
), opened AS (
  SELECT
    bucket_at
  FROM hours AS hours
  UNION
  SELECT
    bucket_at
  FROM days AS days
), buckets AS (
  SELECT
    *
  FROM (
    SELECT
      followed.bucket_at,
      followed.next_at,
      followed.bucket_at < CAST(:since AS TIMESTAMP)
      OR followed.next_at > (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      ) AS is_partial
    FROM (
      SELECT
        bucket_at,
        LEAD(bucket_at) OVER (ORDER BY bucket_at NULLS LAST) AS next_at
      FROM opened AS opened
    ) AS followed
    WHERE
      followed.next_at > CAST(:since AS TIMESTAMP)
      AND followed.bucket_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      )
      AND CAST(:since AS TIMESTAMP) < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      )
  ) AS buckets
), sent AS (
  SELECT
    *
  FROM (
    SELECT
      conversation_key,
      sender_key AS user_key,
      is_system,
      first_at AS instant_at,
      message_count AS row_count
    FROM core_message_days AS message_days
    WHERE
      (
        COALESCE(
          CAST(:tz AS STRING) = 'UTC'
          AND CAST(:every AS STRING) IN ('daily', 'weekly', 'monthly'),
          FALSE
        )
      )
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
      conversation_key,
      sender_key AS user_key,
      COALESCE(message_type = 'system', FALSE) AS is_system,
      created_at AS instant_at,
      1 AS row_count
    FROM core_fact_messages AS fact_messages
    WHERE
      (
        created_at >= CAST(:since AS TIMESTAMP)
        AND created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
      )
      AND (
        NOT (
          COALESCE(
            CAST(:tz AS STRING) = 'UTC'
            AND CAST(:every AS STRING) IN ('daily', 'weekly', 'monthly'),
            FALSE
          )
        )
        OR (
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
      )
      AND deleted_at IS NULL
  ) AS message_instants
), in_scope AS (
  SELECT
    found.instant_at,
    found.row_count
  FROM (
    SELECT
      found.*
    FROM (
      SELECT
        *
      FROM sent AS sent
      WHERE
        CAST(:for_conversation AS STRING) IS NULL
        AND CAST(:visible_to AS STRING) IS NULL
        AND CAST(:for_user AS STRING) IS NULL
      UNION ALL
      SELECT
        scoped.*
      FROM sent AS scoped
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
      FROM sent AS theirs
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
  ANTI JOIN (
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
    ANTI JOIN (
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
      ON mine.conversation_key = shown.conversation_key
    WHERE
      FALSE
  ) AS few
    ON found.conversation_key = few.conversation_key
), ragged AS (
  SELECT
    messages.created_at AS quarter_at,
    messages.conversation_key,
    messages.sender_key AS user_key
  FROM core_fact_messages AS messages
  WHERE
    (
      (
        messages.created_at >= CAST(:since AS TIMESTAMP)
        AND messages.created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
      )
      AND NOT (
        messages.created_at >= (
          (
            TIMESTAMP_MICROS(
              (
                (
                  UNIX_MICROS(
                    (
                      CAST(:since AS TIMESTAMP) + (
                        INTERVAL '15' MINUTES
                      ) - (
                        INTERVAL '1' MICROSECOND
                      )
                    )
                  ) + 199999999800000000
                ) DIV 900000000
              ) * 900000000 - 199999999800000000
            )
          )
        )
        AND messages.created_at < (
          GREATEST(
            (
              TIMESTAMP_MICROS(
                (
                  (
                    UNIX_MICROS((
                      COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
                    )) + 199999999800000000
                  ) DIV 900000000
                ) * 900000000 - 199999999800000000
              )
            ),
            (
              (
                TIMESTAMP_MICROS(
                  (
                    (
                      UNIX_MICROS(
                        (
                          CAST(:since AS TIMESTAMP) + (
                            INTERVAL '15' MINUTES
                          ) - (
                            INTERVAL '1' MICROSECOND
                          )
                        )
                      ) + 199999999800000000
                    ) DIV 900000000
                  ) * 900000000 - 199999999800000000
                )
              )
            )
          )
        )
      )
    )
    AND messages.deleted_at IS NULL
), quarter_hours AS (
  SELECT
    everything.quarter_at,
    everything.row_count
  FROM (
    SELECT
      whole.quarter_at,
      whole.conversation_type,
      whole.message_count AS row_count
    FROM core_message_quarter_hours AS whole
    WHERE
      (
        whole.quarter_at >= (
          (
            TIMESTAMP_MICROS(
              (
                (
                  UNIX_MICROS(
                    (
                      CAST(:since AS TIMESTAMP) + (
                        INTERVAL '15' MINUTES
                      ) - (
                        INTERVAL '1' MICROSECOND
                      )
                    )
                  ) + 199999999800000000
                ) DIV 900000000
              ) * 900000000 - 199999999800000000
            )
          )
        )
        AND whole.quarter_at < (
          GREATEST(
            (
              TIMESTAMP_MICROS(
                (
                  (
                    UNIX_MICROS((
                      COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
                    )) + 199999999800000000
                  ) DIV 900000000
                ) * 900000000 - 199999999800000000
              )
            ),
            (
              (
                TIMESTAMP_MICROS(
                  (
                    (
                      UNIX_MICROS(
                        (
                          CAST(:since AS TIMESTAMP) + (
                            INTERVAL '15' MINUTES
                          ) - (
                            INTERVAL '1' MICROSECOND
                          )
                        )
                      ) + 199999999800000000
                    ) DIV 900000000
                  ) * 900000000 - 199999999800000000
                )
              )
            )
          )
        )
      )
      AND (
        CAST(:include_bots AS BOOLEAN) OR NOT whole.is_bot
      )
    UNION ALL
    SELECT
      found.quarter_at,
      conversations.conversation_type,
      1 AS row_count
    FROM (
      SELECT
        found.*
      FROM (
        SELECT
          *
        FROM ragged AS ragged
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
    LEFT JOIN core_dim_conversations AS conversations
      ON found.conversation_key = conversations.conversation_key
  ) AS everything
  WHERE
    CAST(:for_conversation AS STRING) IS NULL
    AND CAST(:for_user AS STRING) IS NULL
    AND CAST(:visible_to AS STRING) IS NULL
  UNION ALL
  SELECT
    found.quarter_at,
    found.row_count
  FROM (
    SELECT
      CASE
        WHEN placed.instant_at >= changes.changed_at
        THEN changes.changed_at
        ELSE placed.began_at
      END AS quarter_at,
      SUM(placed.row_count) AS row_count
    FROM (
      SELECT
        *,
        (
          TIMESTAMP_MICROS(
            (
              (
                UNIX_MICROS(instant_at) + 199999999800000000
              ) DIV 900000000
            ) * 900000000 - 199999999800000000
          )
        ) AS began_at
      FROM in_scope AS in_scope
    ) AS placed
    LEFT JOIN core_clock_changes AS changes
      ON placed.began_at = changes.began_at
    GROUP BY
      CASE
        WHEN placed.instant_at >= changes.changed_at
        THEN changes.changed_at
        ELSE placed.began_at
      END
  ) AS found
  WHERE
    NOT (
      CAST(:for_conversation AS STRING) IS NULL
      AND CAST(:for_user AS STRING) IS NULL
      AND CAST(:visible_to AS STRING) IS NULL
    )
), counted AS (
  SELECT
    buckets.bucket_at,
    SUM(quarter_hours.row_count) AS message_count
  FROM quarter_hours AS quarter_hours
  INNER JOIN (
    SELECT
      *,
      LEAD(bucket_at) OVER (ORDER BY bucket_at NULLS LAST) AS followed_by
    FROM buckets
  ) AS buckets
    ON quarter_hours.quarter_at >= buckets.bucket_at
    AND (
      quarter_hours.quarter_at < buckets.followed_by OR buckets.followed_by IS NULL
    )
  GROUP BY
    buckets.bucket_at
)
SELECT
  found.bucket_at AS `timestamp`,
  found.message_count AS `count`,
  found.is_partial
FROM (
  SELECT
    buckets.bucket_at,
    CAST(COALESCE(counted.message_count, 0) AS BIGINT) AS message_count,
    buckets.is_partial
  FROM buckets AS buckets
  LEFT JOIN counted AS counted
    ON buckets.bucket_at = counted.bucket_at
  ORDER BY
    buckets.bucket_at NULLS LAST
) AS found
ORDER BY
  found.bucket_at NULLS LAST
