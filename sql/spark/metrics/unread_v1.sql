-- Generated from sql/metrics/unread_v1.sql by the target `catalog`: change that file.
WITH memberships AS (
  SELECT
    participants.conversation_key,
    participants.user_key,
    participants.joined_at,
    marks.read_through_at,
    marks.marked_at
  FROM core_dim_participants AS participants
  LEFT JOIN core_dim_read_marks AS marks
    ON participants.conversation_key = marks.conversation_key
    AND participants.user_key = marks.user_key
  WHERE
    participants.user_key = (
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
    AND (
      COALESCE(participants.joined_at < (
        CAST(:data_through AS TIMESTAMP)
      ), TRUE)
      AND COALESCE(participants.left_at >= (
        CAST(:data_through AS TIMESTAMP)
      ), TRUE)
    )
    AND (
      CAST(:visible_to AS STRING) IS NULL
      OR participants.conversation_key IN (
        SELECT
          scope.conversation_key
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
        ) AS scope
      )
    )
), received AS (
  SELECT
    messages.conversation_key,
    messages.created_at,
    COALESCE(messages.created_at > memberships.read_through_at, TRUE)
    AND COALESCE(messages.created_at >= memberships.joined_at, TRUE)
    AND COALESCE(messages.sender_key <> memberships.user_key, TRUE) AS is_unread
  FROM core_fact_messages AS messages
  INNER JOIN memberships AS memberships
    ON messages.conversation_key = memberships.conversation_key
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot AND NOT CAST(:include_bots AS BOOLEAN)
  ) AS bots
    ON messages.sender_key = bots.user_key
  WHERE
    messages.created_at < CAST(:data_through AS TIMESTAMP)
    AND messages.deleted_at IS NULL
    AND messages.message_type IS DISTINCT FROM 'system'
), counted AS (
  SELECT
    received.conversation_key,
    COUNT(*) FILTER(WHERE
      received.is_unread) AS unread_count,
    MIN(received.created_at) FILTER(WHERE
      received.is_unread) AS first_unread_at,
    MAX(received.created_at) AS newest_message_at
  FROM received AS received
  GROUP BY
    received.conversation_key
)
SELECT
  conversations.conversation_id,
  conversations.conversation_type AS type,
  conversations.title,
  COALESCE(counted.unread_count, 0) AS unread_count,
  counted.first_unread_at,
  counted.newest_message_at,
  memberships.read_through_at,
  memberships.marked_at
FROM memberships AS memberships
INNER JOIN core_dim_conversations AS conversations
  ON memberships.conversation_key = conversations.conversation_key
LEFT JOIN counted AS counted
  ON memberships.conversation_key = counted.conversation_key
ORDER BY
  counted.newest_message_at DESC,
  conversations.conversation_id NULLS LAST
