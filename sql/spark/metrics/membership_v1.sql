-- Generated from sql/metrics/membership_v1.sql by the target `catalog`: change that file.
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
), spans AS (
  SELECT
    TRUE AS is_account,
    users.created_at AS from_at,
    users.deleted_at AS to_at
  FROM core_dim_users AS users
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON users.user_key = bots.user_key
  WHERE
    CAST(:visible_to AS STRING) IS NULL
    AND users.in_source
    AND COALESCE(users.deleted_at >= users.created_at, TRUE)
  UNION ALL
  SELECT
    FALSE AS is_account,
    members.joined_at AS from_at,
    members.left_at AS to_at
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
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON members.user_key = bots.user_key
  WHERE
    COALESCE(members.left_at >= members.joined_at, TRUE)
), there_before AS (
  SELECT
    COUNT(*) FILTER(WHERE
      is_account) AS accounts,
    COUNT(*) FILTER(WHERE
      NOT is_account) AS memberships
  FROM spans AS spans
  WHERE
    (
      COALESCE(from_at < CAST(:since AS TIMESTAMP), TRUE)
      AND COALESCE(to_at >= CAST(:since AS TIMESTAMP), TRUE)
    )
), changes AS (
  SELECT
    spans.is_account,
    TRUE AS is_begin,
    spans.from_at AS instant_at,
    1 AS row_count
  FROM spans AS spans
  WHERE
    (
      spans.from_at >= CAST(:since AS TIMESTAMP)
      AND spans.from_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      )
    )
  UNION ALL
  SELECT
    spans.is_account,
    FALSE AS is_begin,
    spans.to_at AS instant_at,
    1 AS row_count
  FROM spans AS spans
  WHERE
    (
      spans.to_at >= CAST(:since AS TIMESTAMP)
      AND spans.to_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      )
    )
), counted AS (
  SELECT
    buckets.bucket_at,
    SUM(found.row_count) FILTER(WHERE
      found.is_account AND found.is_begin) AS joined,
    SUM(found.row_count) FILTER(WHERE
      found.is_account AND NOT found.is_begin) AS deleted,
    SUM(found.row_count) FILTER(WHERE
      NOT found.is_account AND found.is_begin) AS memberships_joined,
    SUM(found.row_count) FILTER(WHERE
      NOT found.is_account AND NOT found.is_begin) AS memberships_left
  FROM (
    SELECT
      placed.is_account,
      placed.is_begin,
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
      FROM changes AS changes
    ) AS placed
    LEFT JOIN core_clock_changes AS changes
      ON placed.began_at = changes.began_at
    GROUP BY
      placed.is_account,
      placed.is_begin,
      CASE
        WHEN placed.instant_at >= changes.changed_at
        THEN changes.changed_at
        ELSE placed.began_at
      END
  ) AS found
  INNER JOIN (
    SELECT
      *,
      LEAD(bucket_at) OVER (ORDER BY bucket_at NULLS LAST) AS followed_by
    FROM buckets
  ) AS buckets
    ON found.quarter_at >= buckets.bucket_at
    AND (
      found.quarter_at < buckets.followed_by OR buckets.followed_by IS NULL
    )
  GROUP BY
    buckets.bucket_at
), filled AS (
  SELECT
    buckets.bucket_at,
    buckets.is_partial,
    COALESCE(counted.joined, 0) AS joined,
    COALESCE(counted.deleted, 0) AS deleted,
    COALESCE(counted.memberships_joined, 0) AS memberships_joined,
    COALESCE(counted.memberships_left, 0) AS memberships_left
  FROM buckets AS buckets
  LEFT JOIN counted AS counted
    ON buckets.bucket_at = counted.bucket_at
)
SELECT
  filled.bucket_at AS `timestamp`,
  CASE
    WHEN CAST(:visible_to AS STRING) IS NULL
    THEN CAST(there_before.accounts + SUM(filled.joined - filled.deleted) OVER in_time AS BIGINT)
  END AS accounts,
  CASE
    WHEN CAST(:visible_to AS STRING) IS NULL
    THEN CAST(filled.joined AS BIGINT)
  END AS joined,
  CASE
    WHEN CAST(:visible_to AS STRING) IS NULL
    THEN CAST(filled.deleted AS BIGINT)
  END AS deleted,
  CAST(there_before.memberships + SUM(filled.memberships_joined - filled.memberships_left) OVER in_time AS BIGINT) AS memberships,
  CAST(filled.memberships_joined AS BIGINT) AS memberships_joined,
  CAST(filled.memberships_left AS BIGINT) AS memberships_left,
  filled.is_partial
FROM filled AS filled
CROSS JOIN there_before AS there_before
WINDOW in_time AS (ORDER BY filled.bucket_at NULLS LAST)
ORDER BY
  filled.bucket_at NULLS LAST
