-- Generated from sql/metrics/conversation_mix_v1.sql by the target `catalog`: change that file.
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
      CAST(ROW_NUMBER() OVER (ORDER BY buckets.bucket_at NULLS LAST) - 1 AS INT) AS number,
      buckets.bucket_at,
      buckets.next_at,
      buckets.is_partial
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
  ) AS numbered_buckets
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
), received AS (
  SELECT
    *
  FROM (
    SELECT
      conversation_key,
      user_key,
      first_at AS instant_at,
      read_count AS row_count
    FROM core_read_days AS read_days
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
      user_key,
      read_at AS instant_at,
      1 AS row_count
    FROM core_fact_read_receipts AS fact_read_receipts
    WHERE
      (
        read_at >= CAST(:since AS TIMESTAMP)
        AND read_at < (
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
      )
  ) AS read_instants
), in_scope AS (
  SELECT
    found.is_read,
    conversations.conversation_type,
    found.instant_at,
    found.row_count
  FROM (
    SELECT
      FALSE AS is_read,
      written.conversation_key,
      written.instant_at,
      written.row_count
    FROM (
      SELECT
        found.*
      FROM (
        SELECT
          *
        FROM sent AS sent
        WHERE
          CAST(:visible_to AS STRING) IS NULL
        UNION ALL
        SELECT
          scoped.*
        FROM sent AS scoped
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
          is_bot AND NOT CAST(:include_bots AS BOOLEAN)
      ) AS bots
        ON found.user_key = bots.user_key
    ) AS written
    UNION ALL
    SELECT
      TRUE AS is_read,
      seen.conversation_key,
      seen.instant_at,
      seen.row_count
    FROM (
      SELECT
        found.*
      FROM (
        SELECT
          *
        FROM received AS received
        WHERE
          CAST(:visible_to AS STRING) IS NULL
        UNION ALL
        SELECT
          scoped.*
        FROM received AS scoped
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
          is_bot AND NOT CAST(:include_bots AS BOOLEAN)
      ) AS bots
        ON found.user_key = bots.user_key
    ) AS seen
  ) AS found
  LEFT JOIN core_dim_conversations AS conversations
    ON found.conversation_key = conversations.conversation_key
  WHERE
    NOT CAST(:visible_to AS STRING) IS NULL
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
    FALSE AS is_read,
    written.conversation_type,
    written.quarter_at,
    written.row_count
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
  ) AS written
  WHERE
    CAST(:visible_to AS STRING) IS NULL
  UNION ALL
  SELECT
    TRUE AS is_read,
    seen.conversation_type,
    seen.quarter_at,
    seen.row_count
  FROM (
    SELECT
      whole.quarter_at,
      whole.conversation_type,
      whole.read_count AS row_count
    FROM core_read_quarter_hours AS whole
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
      ragged.read_at AS quarter_at,
      conversations.conversation_type,
      1 AS row_count
    FROM core_fact_read_receipts AS ragged
    LEFT JOIN core_dim_conversations AS conversations
      ON ragged.conversation_key = conversations.conversation_key
    ANTI JOIN (
      SELECT
        user_key
      FROM core_dim_users AS dim_users
      WHERE
        is_bot AND NOT CAST(:include_bots AS BOOLEAN)
    ) AS bots
      ON ragged.user_key = bots.user_key
    WHERE
      (
        (
          ragged.read_at >= CAST(:since AS TIMESTAMP)
          AND ragged.read_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT (
          ragged.read_at >= (
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
          AND ragged.read_at < (
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
  ) AS seen
  WHERE
    CAST(:visible_to AS STRING) IS NULL
  UNION ALL
  SELECT
    found.is_read,
    found.conversation_type,
    found.quarter_at,
    found.row_count
  FROM (
    SELECT
      placed.is_read,
      placed.conversation_type,
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
      placed.is_read,
      placed.conversation_type,
      CASE
        WHEN placed.instant_at >= changes.changed_at
        THEN changes.changed_at
        ELSE placed.began_at
      END
  ) AS found
  WHERE
    NOT CAST(:visible_to AS STRING) IS NULL
), inner_buckets AS (
  SELECT
    bucket_at,
    next_at
  FROM buckets AS buckets
  WHERE
    CAST(CAST(bucket_at AS DATE) AS TIMESTAMP) < bucket_at
    AND CAST(CAST(bucket_at AS DATE) AS TIMESTAMP) = CAST(CAST(next_at AS DATE) AS TIMESTAMP)
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
), by_instant AS (
  SELECT
    cut.conversation_key,
    cut.user_key,
    cut.instant_at
  FROM (
    SELECT
      ragged.conversation_key,
      ragged.user_key,
      ragged.instant_at,
      ragged.is_sent
    FROM (
      SELECT
        conversation_key,
        sender_key AS user_key,
        created_at AS instant_at,
        TRUE AS is_sent
      FROM core_fact_messages AS fact_messages
      WHERE
        (
          created_at >= CAST(:since AS TIMESTAMP)
          AND created_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND deleted_at IS NULL
        AND message_type IS DISTINCT FROM 'system'
        AND NOT sender_key IS NULL
      UNION ALL
      SELECT
        conversation_key,
        user_key,
        read_at AS instant_at,
        FALSE AS is_sent
      FROM core_fact_read_receipts AS fact_read_receipts
      WHERE
        (
          read_at >= CAST(:since AS TIMESTAMP)
          AND read_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT user_key IS NULL
    ) AS ragged
    WHERE
      (
        (
          ragged.instant_at >= CAST(:since AS TIMESTAMP)
          AND ragged.instant_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT (
          ragged.instant_at >= (
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
          AND ragged.instant_at < (
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
    UNION ALL
    SELECT
      cut.conversation_key,
      cut.user_key,
      cut.instant_at,
      cut.is_sent
    FROM (
      SELECT
        conversation_key,
        sender_key AS user_key,
        created_at AS instant_at,
        TRUE AS is_sent
      FROM core_fact_messages AS fact_messages
      WHERE
        (
          created_at >= CAST(:since AS TIMESTAMP)
          AND created_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND deleted_at IS NULL
        AND message_type IS DISTINCT FROM 'system'
        AND NOT sender_key IS NULL
      UNION ALL
      SELECT
        conversation_key,
        user_key,
        read_at AS instant_at,
        FALSE AS is_sent
      FROM core_fact_read_receipts AS fact_read_receipts
      WHERE
        (
          read_at >= CAST(:since AS TIMESTAMP)
          AND read_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT user_key IS NULL
    ) AS cut
    SEMI JOIN (
      SELECT
        (
          TIMESTAMP_MICROS(
            (
              (
                UNIX_MICROS(bucket_at) + 199999999800000000
              ) DIV 900000000
            ) * 900000000 - 199999999800000000
          )
        ) AS quarter_at
      FROM buckets AS buckets
      WHERE
        bucket_at <> (
          TIMESTAMP_MICROS(
            (
              (
                UNIX_MICROS(bucket_at) + 199999999800000000
              ) DIV 900000000
            ) * 900000000 - 199999999800000000
          )
        )
    ) AS edges
      ON (
        TIMESTAMP_MICROS(
          (
            (
              UNIX_MICROS(cut.instant_at) + 199999999800000000
            ) DIV 900000000
          ) * 900000000 - 199999999800000000
        )
      ) = edges.quarter_at
  ) AS cut
  WHERE
    CAST(:visible_to AS STRING) IS NULL
  UNION ALL
  SELECT
    enclosed.conversation_key,
    enclosed.user_key,
    enclosed.instant_at
  FROM (
    SELECT
      conversation_key,
      sender_key AS user_key,
      created_at AS instant_at,
      TRUE AS is_sent
    FROM core_fact_messages AS fact_messages
    WHERE
      (
        created_at >= CAST(:since AS TIMESTAMP)
        AND created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
      )
      AND deleted_at IS NULL
      AND message_type IS DISTINCT FROM 'system'
      AND NOT sender_key IS NULL
    UNION ALL
    SELECT
      conversation_key,
      user_key,
      read_at AS instant_at,
      FALSE AS is_sent
    FROM core_fact_read_receipts AS fact_read_receipts
    WHERE
      (
        read_at >= CAST(:since AS TIMESTAMP)
        AND read_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
      )
      AND NOT user_key IS NULL
  ) AS enclosed
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
    ON enclosed.conversation_key = scope.conversation_key
  SEMI JOIN inner_buckets AS inner_buckets
    ON enclosed.instant_at >= inner_buckets.bucket_at
    AND enclosed.instant_at < inner_buckets.next_at
  WHERE
    NOT CAST(:visible_to AS STRING) IS NULL
  UNION ALL
  SELECT
    spans.conversation_key,
    spans.user_key,
    EXPLODE(ARRAY(spans.first_at, spans.last_at)) AS instant_at
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
  ) AS spans
  WHERE
    NOT CAST(:visible_to AS STRING) IS NULL
), parts AS (
  SELECT
    opened.number,
    opened.bucket_at,
    CAST(opened.day_at AS DATE) AS day,
    (
      (
        (
          UNIX_MICROS(
            LEAST(
              GREATEST(
                (
                  (
                    TIMESTAMP_MICROS(
                      (
                        (
                          UNIX_MICROS(
                            (
                              opened.bucket_at + (
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
                ),
                opened.day_at
              ),
              opened.day_at + (
                INTERVAL '1' DAY
              )
            )
          ) + 199999999980000000
        ) DIV 60000000
      ) - (
        (
          UNIX_MICROS(opened.day_at) + 199999999980000000
        ) DIV 60000000
      )
    ) DIV 15 AS from_quarter_hour,
    (
      (
        (
          UNIX_MICROS(
            GREATEST(
              LEAST(
                (
                  TIMESTAMP_MICROS(
                    (
                      (
                        UNIX_MICROS(opened.next_at) + 199999999800000000
                      ) DIV 900000000
                    ) * 900000000 - 199999999800000000
                  )
                ),
                (
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
                ),
                opened.day_at + (
                  INTERVAL '1' DAY
                )
              ),
              opened.day_at
            )
          ) + 199999999980000000
        ) DIV 60000000
      ) - (
        (
          UNIX_MICROS(opened.day_at) + 199999999980000000
        ) DIV 60000000
      )
    ) DIV 15 AS to_quarter_hour,
    ROW_NUMBER() OVER (PARTITION BY opened.day_at ORDER BY opened.number NULLS LAST) - 1 AS place
  FROM (
    SELECT
      number,
      bucket_at,
      next_at,
      EXPLODE(
        CASE
          WHEN CAST(CAST(bucket_at AS DATE) AS TIMESTAMP) <= (
            next_at - (
              INTERVAL '1' MICROSECOND
            )
          )
          THEN SEQUENCE(
            CAST(CAST(bucket_at AS DATE) AS TIMESTAMP),
            GREATEST(
              CAST(CAST(bucket_at AS DATE) AS TIMESTAMP),
              next_at - (
                INTERVAL '1' MICROSECOND
              )
            ),
            (
              INTERVAL '1' DAY
            )
          )
        END
      ) AS day_at
    FROM buckets AS buckets
  ) AS opened
), people AS (
  SELECT
    found.bucket_at,
    found.conversation_type,
    found.user_key
  FROM (
    SELECT
      parts.bucket_at,
      days.conversation_type,
      days.user_key
    FROM core_user_type_days AS days
    INNER JOIN (
      SELECT
        number,
        bucket_at,
        day,
        place,
        (
          (
            (
              (
                SHIFTLEFT(
                  CAST(1 AS BIGINT),
                  CAST(CAST((
                    LEAST(GREATEST(from_quarter_hour, 0), 48)
                  ) AS BIGINT) AS INT)
                )
              ) - CAST(1 AS BIGINT)
            ) ^ (
              (
                SHIFTLEFT(
                  CAST(1 AS BIGINT),
                  CAST(CAST((
                    LEAST(GREATEST(to_quarter_hour, from_quarter_hour, 0), 48)
                  ) AS BIGINT) AS INT)
                )
              ) - CAST(1 AS BIGINT)
            )
          )
        ) AS low_mask,
        (
          (
            (
              (
                SHIFTLEFT(
                  CAST(1 AS BIGINT),
                  CAST(CAST((
                    LEAST(GREATEST((
                      from_quarter_hour - 48
                    ), 0), 48)
                  ) AS BIGINT) AS INT)
                )
              ) - CAST(1 AS BIGINT)
            ) ^ (
              (
                SHIFTLEFT(
                  CAST(1 AS BIGINT),
                  CAST(CAST((
                    LEAST(GREATEST((
                      to_quarter_hour - 48
                    ), (
                      from_quarter_hour - 48
                    ), 0), 48)
                  ) AS BIGINT) AS INT)
                )
              ) - CAST(1 AS BIGINT)
            )
          )
        ) AS high_mask
      FROM parts AS parts
    ) AS parts
      ON days.day = parts.day
    WHERE
      CAST(:visible_to AS STRING) IS NULL
      AND (
        (
          days.quarter_hours_low & parts.low_mask
        ) | (
          days.quarter_hours_high & parts.high_mask
        )
      ) <> 0
    UNION ALL
    SELECT
      opened.bucket_at,
      conversations.conversation_type,
      by_instant.user_key
    FROM by_instant AS by_instant
    INNER JOIN (
      SELECT
        *,
        LEAD(bucket_at) OVER (ORDER BY bucket_at NULLS LAST) AS followed_by
      FROM buckets
    ) AS opened
      ON by_instant.instant_at >= opened.bucket_at
      AND (
        by_instant.instant_at < opened.followed_by OR opened.followed_by IS NULL
      )
    LEFT JOIN core_dim_conversations AS conversations
      ON by_instant.conversation_key = conversations.conversation_key
  ) AS found
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON found.user_key = bots.user_key
), sets AS (
  SELECT
    people.bucket_at,
    people.conversation_type,
    (
      CASE
        WHEN COUNT(people.user_key & 4095) > 0
        THEN COLLECT_SET(people.user_key & 4095)
      END
    ) AS bits
  FROM people AS people
  WHERE
    CAST(:every AS STRING) <> 'hourly'
  GROUP BY
    people.bucket_at,
    people.conversation_type,
    (
      SHIFTRIGHT(people.user_key, CAST(12 AS INT))
    )
), active AS (
  SELECT
    sets.bucket_at,
    sets.conversation_type,
    SUM(ARRAY_SIZE(sets.bits)) AS people
  FROM sets AS sets
  GROUP BY
    sets.bucket_at,
    sets.conversation_type
  UNION ALL
  SELECT
    people.bucket_at,
    people.conversation_type,
    COUNT(DISTINCT people.user_key) AS people
  FROM people AS people
  WHERE
    CAST(:every AS STRING) = 'hourly'
  GROUP BY
    people.bucket_at,
    people.conversation_type
), counted AS (
  SELECT
    buckets.bucket_at,
    quarter_hours.conversation_type,
    SUM(quarter_hours.row_count) FILTER(WHERE
      NOT quarter_hours.is_read) AS messages,
    SUM(quarter_hours.row_count) FILTER(WHERE
      quarter_hours.is_read) AS reads
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
    buckets.bucket_at,
    quarter_hours.conversation_type
), types AS (
  SELECT DISTINCT
    counted.conversation_type
  FROM counted AS counted
)
SELECT
  buckets.bucket_at AS `timestamp`,
  types.conversation_type,
  CAST(COALESCE(counted.messages, 0) AS BIGINT) AS messages,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN CAST(COALESCE(counted.reads, 0) AS BIGINT)
  END AS reads,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN CAST(COALESCE(active.people, 0) AS BIGINT)
  END AS people,
  buckets.is_partial
FROM buckets AS buckets
CROSS JOIN types AS types
LEFT JOIN counted AS counted
  ON buckets.bucket_at = counted.bucket_at
  AND types.conversation_type IS NOT DISTINCT FROM counted.conversation_type
LEFT JOIN active AS active
  ON buckets.bucket_at = active.bucket_at
  AND types.conversation_type IS NOT DISTINCT FROM active.conversation_type
ORDER BY
  buckets.bucket_at NULLS LAST,
  CASE types.conversation_type
    WHEN 'direct'
    THEN 1
    WHEN 'group'
    THEN 2
    WHEN 'channel'
    THEN 3
    ELSE 4
  END NULLS LAST,
  types.conversation_type NULLS LAST
