-- Generated from sql/metrics/people_heatmap_v1.sql by the target `catalog`: change that file.
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
), hours_2 AS (
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
      zones.from_utc < (
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
        WHEN CAST(CAST(CAST(:since AS TIMESTAMP) - (
          INTERVAL '2' DAYS
        ) AS DATE) AS TIMESTAMP) <= (
          CAST(CAST((
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          ) + (
            INTERVAL '2' DAYS
          ) AS DATE) AS TIMESTAMP) + (
            (
              INTERVAL '1' DAY
            )
          )
        )
        THEN SEQUENCE(
          CAST(CAST(CAST(:since AS TIMESTAMP) - (
            INTERVAL '2' DAYS
          ) AS DATE) AS TIMESTAMP),
          GREATEST(
            CAST(CAST(CAST(:since AS TIMESTAMP) - (
              INTERVAL '2' DAYS
            ) AS DATE) AS TIMESTAMP),
            CAST(CAST((
              COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
            ) + (
              INTERVAL '2' DAYS
            ) AS DATE) AS TIMESTAMP) + (
              (
                INTERVAL '1' DAY
              )
            )
          ),
          (
            (
              INTERVAL '1' DAY
            )
          )
        )
      END
    ) AS local_at
  WHERE
    FALSE
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
  FROM hours_2 AS hours
  UNION
  SELECT
    bucket_at
  FROM days AS days
), hours AS (
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
), placed AS (
  SELECT
    hours.bucket_at,
    hours.number,
    (
      (
        DAYOFWEEK(hours.bucket_at + zones.shift) + 5
      ) % 7 + 1
    ) AS weekday,
    HOUR(hours.bucket_at + zones.shift) AS `hour`,
    CAST(hours.bucket_at AS DATE) AS day,
    CAST(CAST(hours.bucket_at AS DATE) AS TIMESTAMP) = CAST(CAST(hours.next_at - (
      INTERVAL '1' MICROSECOND
    ) AS DATE) AS TIMESTAMP)
    AND hours.next_at = hours.bucket_at + (
      INTERVAL '1' HOUR
    )
    AND hours.bucket_at = (
      TIMESTAMP_MICROS(
        (
          (
            UNIX_MICROS(hours.bucket_at) + 199999999800000000
          ) DIV 900000000
        ) * 900000000 - 199999999800000000
      )
    )
    AND MINUTE(hours.bucket_at) = MIN(MINUTE(hours.bucket_at)) OVER (PARTITION BY CAST(hours.bucket_at AS DATE))
    AND hours.bucket_at >= (
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
    AND hours.next_at <= (
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
    ) AS is_whole
  FROM hours AS hours
  INNER JOIN (
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
  ) AS zones
    ON hours.bucket_at >= zones.from_utc AND hours.bucket_at < zones.to_utc
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
    FROM hours AS hours
  ) AS opened
), cut_parts AS (
  SELECT
    parts.day,
    parts.low_mask,
    parts.high_mask,
    placed.number
  FROM (
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
  INNER JOIN placed AS placed
    ON parts.number = placed.number
  WHERE
    NOT placed.is_whole
), days_2 AS (
  SELECT
    day,
    CAST(MIN(MINUTE(bucket_at)) DIV 15 AS BIGINT) AS quarter_hours
  FROM placed AS placed
  WHERE
    is_whole
  GROUP BY
    day
), everything AS (
  SELECT
    conversation_key,
    user_key,
    instant_at,
    1 AS row_count
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
  ) AS activity_instants
), in_scope AS (
  SELECT
    found.user_key,
    found.instant_at,
    found.row_count
  FROM (
    SELECT
      found.*
    FROM (
      SELECT
        *
      FROM everything AS everything
      WHERE
        CAST(:for_conversation AS STRING) IS NULL AND CAST(:visible_to AS STRING) IS NULL
      UNION ALL
      SELECT
        scoped.*
      FROM everything AS scoped
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
      (
        NOT CAST(:visible_to AS STRING) IS NULL
      )
  ) AS few
    ON found.conversation_key = few.conversation_key
  WHERE
    NOT CAST(:for_conversation AS STRING) IS NULL
    OR NOT CAST(:visible_to AS STRING) IS NULL
), by_fact AS (
  SELECT
    scoped.user_key,
    scoped.quarter_at AS instant_at
  FROM (
    SELECT
      placed.user_key,
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
      placed.user_key,
      CASE
        WHEN placed.instant_at >= changes.changed_at
        THEN changes.changed_at
        ELSE placed.began_at
      END
  ) AS scoped
  UNION ALL
  SELECT
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
      FROM hours AS hours
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
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON cut.user_key = bots.user_key
  WHERE
    CAST(:visible_to AS STRING) IS NULL AND CAST(:for_conversation AS STRING) IS NULL
), present AS (
  SELECT
    placed.number,
    by_fact.user_key
  FROM by_fact AS by_fact
  INNER JOIN (
    SELECT
      *,
      LEAD(bucket_at) OVER (ORDER BY bucket_at NULLS LAST) AS followed_by
    FROM placed
  ) AS placed
    ON by_fact.instant_at >= placed.bucket_at
    AND (
      by_fact.instant_at < placed.followed_by OR placed.followed_by IS NULL
    )
  UNION
  SELECT
    cut_parts.number,
    masks.user_key
  FROM (
    SELECT
      user_days.user_key,
      user_days.day,
      user_days.sent_quarter_hours_low | user_days.read_quarter_hours_low AS low_mask,
      user_days.sent_quarter_hours_high | user_days.read_quarter_hours_high AS high_mask
    FROM core_user_days AS user_days
  ) AS masks
  INNER JOIN cut_parts AS cut_parts
    ON masks.day = cut_parts.day
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON masks.user_key = bots.user_key
  WHERE
    CAST(:visible_to AS STRING) IS NULL
    AND CAST(:for_conversation AS STRING) IS NULL
    AND (
      (
        masks.low_mask & cut_parts.low_mask
      ) | (
        masks.high_mask & cut_parts.high_mask
      )
    ) <> 0
), shifted AS (
  SELECT
    masks.day,
    (
      SHIFTRIGHT(masks.low_mask, CAST(days.quarter_hours AS INT))
    ) | (
      SHIFTLEFT(
        (
          masks.high_mask & (
            (
              SHIFTLEFT(CAST(1 AS BIGINT), CAST(CAST(days.quarter_hours AS BIGINT) AS INT))
            ) - CAST(1 AS BIGINT)
          )
        ),
        CAST((
          48 - days.quarter_hours
        ) AS INT)
      )
    ) AS low_mask,
    SHIFTRIGHT(masks.high_mask, CAST(days.quarter_hours AS INT)) AS high_mask
  FROM (
    SELECT
      user_days.user_key,
      user_days.day,
      user_days.sent_quarter_hours_low | user_days.read_quarter_hours_low AS low_mask,
      user_days.sent_quarter_hours_high | user_days.read_quarter_hours_high AS high_mask
    FROM core_user_days AS user_days
  ) AS masks
  INNER JOIN days_2 AS days
    ON masks.day = days.day
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON masks.user_key = bots.user_key
  WHERE
    CAST(:visible_to AS STRING) IS NULL AND CAST(:for_conversation AS STRING) IS NULL
), by_hour AS (
  SELECT
    day,
    ARRAY(
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 0 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 1 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 2 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 3 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 4 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 5 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 6 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 7 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 8 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 9 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 10 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(low_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 11 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 0 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 1 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 2 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 3 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 4 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 5 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 6 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 7 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 8 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 9 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 10 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      ),
      (
        SUM(
          CAST(high_mask & (
            SHIFTLEFT(CAST(15 AS BIGINT), CAST(CAST(4 * 11 AS BIGINT) AS INT))
          ) <> 0 AS INT)
        )
      )
    ) AS people
  FROM shifted AS shifted
  GROUP BY
    day
), counted AS (
  SELECT
    placed.weekday,
    placed.`hour`,
    COUNT(*) AS people
  FROM present AS present
  INNER JOIN placed AS placed
    ON present.number = placed.number
  GROUP BY
    placed.weekday,
    placed.`hour`
  UNION ALL
  SELECT
    placed.weekday,
    placed.`hour`,
    SUM(GET(by_hour.people, HOUR(placed.bucket_at) + 0)) AS people
  FROM placed AS placed
  INNER JOIN by_hour AS by_hour
    ON placed.day = by_hour.day
  WHERE
    placed.is_whole
  GROUP BY
    placed.weekday,
    placed.`hour`
), active AS (
  SELECT
    weekday,
    `hour`,
    SUM(people) AS people
  FROM counted AS counted
  GROUP BY
    weekday,
    `hour`
), met AS (
  SELECT
    weekday,
    `hour`,
    COUNT(*) AS occurrences
  FROM placed AS placed
  GROUP BY
    weekday,
    `hour`
)
SELECT
  week.weekday,
  week.`hour`,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN CAST(COALESCE(active.people, 0) AS BIGINT)
  END AS people,
  COALESCE(met.occurrences, 0) AS occurrences,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN (
      CAST(COALESCE(
        (
          CAST((
            COALESCE(active.people, 0)
          ) AS DECIMAL(38, 0)) * 200 + (
            COALESCE(met.occurrences, 0)
          )
        ) DIV NULLIF(CAST((
          COALESCE(met.occurrences, 0)
        ) AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    )
  END AS per_occurrence
FROM (
  SELECT
    CAST(hours.number DIV 24 + 1 AS BIGINT) AS weekday,
    CAST(hours.number % 24 AS BIGINT) AS hour
  FROM (
    SELECT
      EXPLODE(SEQUENCE(0, 167)) AS number
  ) AS hours
) AS week
LEFT JOIN active AS active
  ON week.weekday = active.weekday AND week.`hour` = active.`hour`
LEFT JOIN met AS met
  ON week.weekday = met.weekday AND week.`hour` = met.`hour`
ORDER BY
  week.weekday NULLS LAST,
  week.`hour` NULLS LAST
