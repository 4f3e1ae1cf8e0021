-- Generated from sql/metrics/event_timeline_v1.sql by the target `catalog`: change that file.
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
), events AS (
  SELECT
    *
  FROM (
    SELECT
      event_type,
      conversation_key,
      user_key,
      created_at AS instant_at,
      1 AS row_count
    FROM core_fact_events AS fact_events
    WHERE
      (
        created_at >= CAST(:since AS TIMESTAMP)
        AND created_at < (
          COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
        )
      )
  ) AS event_instants
), in_scope AS (
  SELECT
    found.event_type,
    found.instant_at,
    found.row_count
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
), quarter_hours AS (
  SELECT
    everything.event_type,
    everything.quarter_at,
    everything.row_count
  FROM (
    SELECT
      event_type,
      quarter_at,
      event_count AS row_count
    FROM core_event_quarter_hours AS event_quarter_hours
    WHERE
      (
        quarter_at >= (
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
        AND quarter_at < (
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
    UNION ALL
    SELECT
      event_type,
      created_at AS quarter_at,
      1 AS row_count
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
          created_at >= (
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
          AND created_at < (
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
  ) AS everything
  WHERE
    CAST(:visible_to AS STRING) IS NULL AND CAST(:include_bots AS BOOLEAN)
  UNION ALL
  SELECT
    found.event_type,
    found.quarter_at,
    found.row_count
  FROM (
    SELECT
      placed.event_type,
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
      placed.event_type,
      CASE
        WHEN placed.instant_at >= changes.changed_at
        THEN changes.changed_at
        ELSE placed.began_at
      END
  ) AS found
  WHERE
    NOT (
      CAST(:visible_to AS STRING) IS NULL AND CAST(:include_bots AS BOOLEAN)
    )
), counted AS (
  SELECT
    buckets.bucket_at,
    quarter_hours.event_type,
    SUM(quarter_hours.row_count) AS event_count
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
    quarter_hours.event_type
), types AS (
  SELECT DISTINCT
    counted.event_type
  FROM counted AS counted
)
SELECT
  buckets.bucket_at AS `timestamp`,
  types.event_type,
  CAST(COALESCE(counted.event_count, 0) AS BIGINT) AS `count`,
  buckets.is_partial
FROM buckets AS buckets
CROSS JOIN types AS types
LEFT JOIN counted AS counted
  ON buckets.bucket_at = counted.bucket_at
  AND types.event_type IS NOT DISTINCT FROM counted.event_type
ORDER BY
  buckets.bucket_at NULLS LAST,
  types.event_type NULLS LAST
