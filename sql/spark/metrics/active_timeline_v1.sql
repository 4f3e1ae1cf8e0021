-- Generated from sql/metrics/active_timeline_v1.sql by the target `catalog`: change that file.
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
      AND spans.to_utc > (
        CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
      ) - (
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
                  GREATEST(
                    zones.from_utc,
                    (
                      CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                    ) - (
                      INTERVAL '2' HOURS
                    )
                  ) + zones.shift
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
                    GREATEST(
                      zones.from_utc,
                      (
                        CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                      ) - (
                        INTERVAL '2' HOURS
                      )
                    ) + zones.shift
                  ) + 199999998000000000
                ) DIV 3600000000
              ) * 3600000000 - 199999998000000000
            ),
            GREATEST(
              TIMESTAMP_MICROS(
                (
                  (
                    UNIX_MICROS(
                      GREATEST(
                        zones.from_utc,
                        (
                          CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                        ) - (
                          INTERVAL '2' HOURS
                        )
                      ) + zones.shift
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
      FALSE
  ) AS opened
), periods AS (
  SELECT
    EXPLODE(
      CASE
        WHEN CAST(CAST((
          CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
        ) - (
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
          CAST(CAST((
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          ) - (
            INTERVAL '2' DAYS
          ) AS DATE) AS TIMESTAMP),
          GREATEST(
            CAST(CAST((
              CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
            ) - (
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
), days_2 AS (
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
  FROM days_2 AS days
), days AS (
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
        followed.bucket_at < (
          CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
        )
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
        followed.next_at > (
          CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
        )
        AND followed.bucket_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
        AND (
          CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
        ) < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
    ) AS buckets
  ) AS numbered_buckets
), parts_2 AS (
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
                              (
                                CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                              ) + (
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
                                  (
                                    CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                                  ) + (
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
    FROM days AS days
  ) AS opened
), parts AS (
  SELECT
    *
  FROM (
    SELECT
      day,
      MIN(number) AS number,
      MAX(bucket_at) FILTER(WHERE
        place = 1) AS second_at,
      COALESCE(MAX(low_mask) FILTER(WHERE
        place = 0), 0) AS first_low,
      COALESCE(MAX(high_mask) FILTER(WHERE
        place = 0), 0) AS first_high,
      COALESCE(MAX(low_mask) FILTER(WHERE
        place = 1), 0) AS second_low,
      COALESCE(MAX(high_mask) FILTER(WHERE
        place = 1), 0) AS second_high
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
      FROM parts_2 AS parts
    ) AS bucket_parts
    GROUP BY
      day
  ) AS day_parts
), by_fact AS (
  SELECT
    cut.user_key,
    cut.instant_at,
    cut.is_sent
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
          created_at >= (
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          )
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
          read_at >= (
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          )
          AND read_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT user_key IS NULL
    ) AS ragged
    WHERE
      (
        (
          ragged.instant_at >= (
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          )
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
                        (
                          CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                        ) + (
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
                            (
                              CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                            ) + (
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
          created_at >= (
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          )
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
          read_at >= (
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          )
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
      FROM days AS days
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
), by_quarter_hour AS (
  SELECT
    user_days.user_key,
    parts.number,
    user_days.sent_quarter_hours_low AS sent_low,
    user_days.sent_quarter_hours_high AS sent_high,
    user_days.sent_quarter_hours_low | user_days.read_quarter_hours_low AS active_low,
    user_days.sent_quarter_hours_high | user_days.read_quarter_hours_high AS active_high,
    parts.first_low,
    parts.first_high,
    parts.second_low,
    parts.second_high
  FROM core_user_days AS user_days
  INNER JOIN parts AS parts
    ON user_days.day = parts.day
  WHERE
    CAST(:visible_to AS STRING) IS NULL
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
          CAST((
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          ) AS DATE) + CAST((
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          ) > CAST(CAST((
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          ) AS DATE) AS TIMESTAMP) AS INT)
        )
        AND day < (
          GREATEST(
            CAST((
              COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
            ) AS DATE),
            (
              CAST((
                CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
              ) AS DATE) + CAST((
                CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
              ) > CAST(CAST((
                CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
              ) AS DATE) AS TIMESTAMP) AS INT)
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
          created_at >= (
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          )
          AND created_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT (
          created_at >= CAST((
            CAST((
              CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
            ) AS DATE) + CAST((
              CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
            ) > CAST(CAST((
              CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
            ) AS DATE) AS TIMESTAMP) AS INT)
          ) AS TIMESTAMP)
          AND created_at < CAST((
            GREATEST(
              CAST((
                COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
              ) AS DATE),
              (
                CAST((
                  CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                ) AS DATE) + CAST((
                  CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                ) > CAST(CAST((
                  CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                ) AS DATE) AS TIMESTAMP) AS INT)
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
          CAST((
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          ) AS DATE) + CAST((
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          ) > CAST(CAST((
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          ) AS DATE) AS TIMESTAMP) AS INT)
        )
        AND day < (
          GREATEST(
            CAST((
              COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
            ) AS DATE),
            (
              CAST((
                CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
              ) AS DATE) + CAST((
                CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
              ) > CAST(CAST((
                CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
              ) AS DATE) AS TIMESTAMP) AS INT)
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
          read_at >= (
            CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
          )
          AND read_at < (
            COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
          )
        )
        AND NOT (
          read_at >= CAST((
            CAST((
              CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
            ) AS DATE) + CAST((
              CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
            ) > CAST(CAST((
              CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
            ) AS DATE) AS TIMESTAMP) AS INT)
          ) AS TIMESTAMP)
          AND read_at < CAST((
            GREATEST(
              CAST((
                COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
              ) AS DATE),
              (
                CAST((
                  CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                ) AS DATE) + CAST((
                  CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                ) > CAST(CAST((
                  CAST(CAST(CAST(:since AS TIMESTAMP) AS DATE) AS TIMESTAMP) - MAKE_DT_INTERVAL(CAST(34 AS INT), 0, 0, 0)
                ) AS DATE) AS TIMESTAMP) AS INT)
              )
            )
          ) AS TIMESTAMP)
        )
      )
  ) AS read_rows
), by_day AS (
  SELECT
    spans.user_key,
    parts.number,
    spans.is_sent,
    CAST(COALESCE(spans.first_at < parts.second_at, TRUE) AS INT) + 2 * CAST(COALESCE(spans.last_at >= parts.second_at, FALSE) AS INT) AS bits
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
  INNER JOIN parts AS parts
    ON CAST(spans.first_at AS DATE) = parts.day
  WHERE
    NOT CAST(:visible_to AS STRING) IS NULL
), halves AS (
  SELECT
    found.number,
    (
      SHIFTRIGHT(found.user_key, CAST(12 AS INT))
    ) AS part,
    (
      CASE
        WHEN COUNT((
          CASE WHEN found.active_bits & 1 <> 0 THEN found.user_key END
        ) & 4095) > 0
        THEN COLLECT_SET((
          CASE WHEN found.active_bits & 1 <> 0 THEN found.user_key END
        ) & 4095)
      END
    ) AS first_active,
    (
      CASE
        WHEN COUNT((
          CASE WHEN found.active_bits & 2 <> 0 THEN found.user_key END
        ) & 4095) > 0
        THEN COLLECT_SET((
          CASE WHEN found.active_bits & 2 <> 0 THEN found.user_key END
        ) & 4095)
      END
    ) AS second_active,
    (
      CASE
        WHEN COUNT((
          CASE WHEN found.sent_bits & 1 <> 0 THEN found.user_key END
        ) & 4095) > 0
        THEN COLLECT_SET((
          CASE WHEN found.sent_bits & 1 <> 0 THEN found.user_key END
        ) & 4095)
      END
    ) AS first_sent,
    (
      CASE
        WHEN COUNT((
          CASE WHEN found.sent_bits & 2 <> 0 THEN found.user_key END
        ) & 4095) > 0
        THEN COLLECT_SET((
          CASE WHEN found.sent_bits & 2 <> 0 THEN found.user_key END
        ) & 4095)
      END
    ) AS second_sent
  FROM (
    SELECT
      user_key,
      number,
      CAST((
        (
          sent_low & first_low
        ) | (
          sent_high & first_high
        )
      ) <> 0 AS INT) + 2 * CAST((
        (
          sent_low & second_low
        ) | (
          sent_high & second_high
        )
      ) <> 0 AS INT) AS sent_bits,
      CAST((
        (
          active_low & first_low
        ) | (
          active_high & first_high
        )
      ) <> 0 AS INT) + 2 * CAST((
        (
          active_low & second_low
        ) | (
          active_high & second_high
        )
      ) <> 0 AS INT) AS active_bits
    FROM by_quarter_hour AS by_quarter_hour
    UNION ALL
    SELECT
      user_key,
      number,
      CASE WHEN is_sent THEN bits ELSE 0 END AS sent_bits,
      bits AS active_bits
    FROM by_day AS by_day
    UNION ALL
    SELECT
      by_fact.user_key,
      opened.number,
      CAST(by_fact.is_sent AS INT) AS sent_bits,
      1 AS active_bits
    FROM by_fact AS by_fact
    INNER JOIN (
      SELECT
        *,
        LEAD(bucket_at) OVER (ORDER BY bucket_at NULLS LAST) AS followed_by
      FROM days
    ) AS opened
      ON by_fact.instant_at >= opened.bucket_at
      AND (
        by_fact.instant_at < opened.followed_by OR opened.followed_by IS NULL
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
  GROUP BY
    found.number,
    part
), placed AS (
  SELECT
    number,
    part,
    first_active AS active,
    first_sent AS sent
  FROM halves AS halves
  WHERE
    NOT first_active IS NULL
  UNION ALL
  SELECT
    number + 1 AS number,
    part,
    second_active AS active,
    second_sent AS sent
  FROM halves AS halves
  WHERE
    NOT second_active IS NULL
), sets AS (
  SELECT
    *
  FROM (
    SELECT
      number,
      part,
      CASE WHEN COUNT(active) > 0 THEN ARRAY_DISTINCT(FLATTEN(COLLECT_LIST(active))) END AS active,
      CASE WHEN COUNT(sent) > 0 THEN ARRAY_DISTINCT(FLATTEN(COLLECT_LIST(sent))) END AS sent
    FROM placed AS placed
    GROUP BY
      number,
      part
  ) AS activity_sets
), zones_2 AS (
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
    FROM zones_2 AS zones
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
), periods_2 AS (
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
), days_3 AS (
  SELECT
    MIN(GREATEST(zones.from_utc, periods.local_at - zones.shift)) AS bucket_at
  FROM periods_2 AS periods
  INNER JOIN zones_2 AS zones
    ON GREATEST(zones.from_utc, periods.local_at - zones.shift) < zones.to_utc
  GROUP BY
    periods.local_at
), opened_2 AS (
  SELECT
    bucket_at
  FROM hours_2 AS hours
  UNION
  SELECT
    bucket_at
  FROM days_3 AS days
), buckets AS (
  SELECT
    asked.bucket_at,
    asked.next_at,
    MIN(days.number) AS first_number,
    MAX(days.number) AS last_number
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
      FROM opened_2 AS opened
    ) AS followed
    WHERE
      followed.next_at > CAST(:since AS TIMESTAMP)
      AND followed.bucket_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      )
      AND CAST(:since AS TIMESTAMP) < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      )
  ) AS asked
  INNER JOIN days AS days
    ON asked.bucket_at <= days.bucket_at AND asked.next_at > days.bucket_at
  GROUP BY
    asked.bucket_at,
    asked.next_at
), parts_3 AS (
  SELECT DISTINCT
    part
  FROM sets AS sets
), days_and_parts AS (
  SELECT
    days.number,
    parts.part
  FROM days AS days
  CROSS JOIN parts_3 AS parts
), recent AS (
  SELECT
    days_and_parts.number,
    ARRAY_SIZE(sets.active) AS active_people,
    ARRAY_SIZE(
      CASE
        WHEN COUNT(sets.active) OVER (
          PARTITION BY days_and_parts.part
          ORDER BY days_and_parts.number NULLS LAST
          rows BETWEEN 6 preceding AND CURRENT ROW
        ) > 0
        THEN ARRAY_DISTINCT(
          FLATTEN(
            COLLECT_LIST(COALESCE(sets.active, CAST(ARRAY() AS ARRAY<INT>))) OVER (
              PARTITION BY days_and_parts.part
              ORDER BY days_and_parts.number NULLS LAST
              rows BETWEEN 6 preceding AND CURRENT ROW
            )
          )
        )
      END
    ) AS active_7_days,
    ARRAY_SIZE(
      CASE
        WHEN COUNT(sets.active) OVER (
          PARTITION BY days_and_parts.part
          ORDER BY days_and_parts.number NULLS LAST
          rows BETWEEN 29 preceding AND CURRENT ROW
        ) > 0
        THEN ARRAY_DISTINCT(
          FLATTEN(
            COLLECT_LIST(COALESCE(sets.active, CAST(ARRAY() AS ARRAY<INT>))) OVER (
              PARTITION BY days_and_parts.part
              ORDER BY days_and_parts.number NULLS LAST
              rows BETWEEN 29 preceding AND CURRENT ROW
            )
          )
        )
      END
    ) AS active_30_days
  FROM days_and_parts AS days_and_parts
  LEFT JOIN sets AS sets
    ON days_and_parts.number = sets.number AND days_and_parts.part = sets.part
), on_last_days AS (
  SELECT
    number,
    SUM(active_people) AS active_people,
    SUM(active_7_days) AS active_7_days,
    SUM(active_30_days) AS active_30_days
  FROM recent AS recent
  SEMI JOIN buckets AS buckets
    ON recent.number = buckets.last_number
  GROUP BY
    number
), unions AS (
  SELECT
    buckets.bucket_at,
    sets.part,
    CASE
      WHEN COUNT(sets.active) > 0
      THEN ARRAY_DISTINCT(FLATTEN(COLLECT_LIST(sets.active)))
    END AS active,
    CASE
      WHEN COUNT(sets.sent) > 0
      THEN ARRAY_DISTINCT(FLATTEN(COLLECT_LIST(sets.sent)))
    END AS sent
  FROM buckets AS buckets
  INNER JOIN sets AS sets
    ON buckets.first_number <= sets.number AND buckets.last_number >= sets.number
  GROUP BY
    buckets.bucket_at,
    sets.part
), `within` AS (
  SELECT
    bucket_at,
    SUM(ARRAY_SIZE(active)) AS active_people,
    SUM(ARRAY_SIZE(sent)) AS writers
  FROM unions AS unions
  GROUP BY
    bucket_at
), sent_rows_2 AS (
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
), received_rows_2 AS (
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
), coverage AS (
  SELECT
    (
      CASE
        WHEN CAST(:visible_to AS STRING) IS NULL
        THEN CAST(:data_from AS TIMESTAMP)
        ELSE (
          SELECT
            CAST(CAST(MIN(spans.first_at) AS DATE) AS TIMESTAMP)
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
                FROM sent_rows_2 AS sent_rows
                WHERE
                  CAST(:visible_to AS STRING) IS NULL
                UNION ALL
                SELECT
                  scoped.*
                FROM sent_rows_2 AS scoped
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
                FROM received_rows_2 AS received_rows
                WHERE
                  CAST(:visible_to AS STRING) IS NULL
                UNION ALL
                SELECT
                  scoped.*
                FROM received_rows_2 AS scoped
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
        )
      END
    ) AS covered_from
), people AS (
  SELECT
    buckets.bucket_at,
    buckets.next_at > (
      COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
    ) AS is_partial,
    COALESCE(`within`.active_people, 0) AS active_people,
    COALESCE(`within`.writers, 0) AS writers,
    COALESCE(on_last_days.active_people, 0) AS active_on_last_day,
    CASE
      WHEN first_of_7.bucket_at >= coverage.covered_from
      THEN COALESCE(on_last_days.active_7_days, 0)
    END AS active_7_days,
    CASE
      WHEN first_of_30.bucket_at >= coverage.covered_from
      THEN COALESCE(on_last_days.active_30_days, 0)
    END AS active_30_days
  FROM buckets AS buckets
  CROSS JOIN coverage AS coverage
  INNER JOIN days AS first_of_7
    ON buckets.last_number - 6 = first_of_7.number
  INNER JOIN days AS first_of_30
    ON buckets.last_number - 29 = first_of_30.number
  LEFT JOIN `within` AS `within`
    ON buckets.bucket_at = `within`.bucket_at
  LEFT JOIN on_last_days AS on_last_days
    ON buckets.last_number = on_last_days.number
)
SELECT
  people.bucket_at AS `timestamp`,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN CAST(people.active_people AS BIGINT)
  END AS active_people,
  CAST(people.writers AS BIGINT) AS writers,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN CAST(people.active_people - people.writers AS BIGINT)
  END AS readers_only,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN CAST(people.active_7_days AS BIGINT)
  END AS active_7_days,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    THEN CAST(people.active_30_days AS BIGINT)
  END AS active_30_days,
  CASE
    WHEN (
      CAST(:why_not_available_read_receipts AS STRING) IS NULL
    )
    AND NOT people.is_partial
    AND NOT people.active_30_days IS NULL
    THEN (
      CAST(COALESCE(
        (
          CAST(people.active_on_last_day AS DECIMAL(38, 0)) * 20000 + people.active_30_days
        ) DIV NULLIF(CAST(people.active_30_days AS DECIMAL(38, 0)) * 2, 0),
        0
      ) AS DECIMAL(18, 0)) * CAST(0.01 AS DECIMAL(3, 2))
    )
  END AS stickiness,
  people.is_partial
FROM people AS people
ORDER BY
  `timestamp` NULLS LAST
