-- Generated from sql/rollups/event_quarter_hours.sql by the target `catalog`: change that file.
SELECT
  quarter_at,
  event_type,
  CAST(event_count AS INT) AS event_count
FROM (
  SELECT
    CASE
      WHEN facts.created_at >= changes.changed_at
      THEN changes.changed_at
      ELSE facts.began_at
    END AS quarter_at,
    facts.event_type,
    COUNT(*) AS event_count
  FROM (
    SELECT
      created_at,
      TIMESTAMP_MICROS(
        (
          (
            UNIX_MICROS(created_at) + 199999999800000000
          ) DIV 900000000
        ) * 900000000 - 199999999800000000
      ) AS began_at,
      event_type
    FROM core_fact_events AS fact_events
  ) AS facts
  LEFT JOIN core_clock_changes AS changes
    ON facts.began_at = changes.began_at
  GROUP BY
    quarter_at,
    facts.event_type
) AS every_event_quarter_hours
