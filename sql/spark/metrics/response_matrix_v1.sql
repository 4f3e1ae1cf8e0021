-- Generated from sql/metrics/response_matrix_v1.sql by the target `catalog`: change that file.
WITH conversation AS (
  SELECT
    shown.conversation_key
  FROM (
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
    ON shown.conversation_key = scope.conversation_key
  WHERE
    NOT CAST(:for_conversation AS STRING) IS NULL
), said AS (
  SELECT DISTINCT
    messages.created_at,
    messages.sender_key
  FROM core_fact_messages AS messages
  SEMI JOIN conversation AS conversation
    ON messages.conversation_key = conversation.conversation_key
  ANTI JOIN (
    SELECT
      user_key
    FROM core_dim_users AS dim_users
    WHERE
      is_bot
  ) AS bots
    ON messages.sender_key = bots.user_key
  WHERE
    (
      messages.created_at >= (
        CAST(:since AS TIMESTAMP) - (
          INTERVAL '24' HOURS
        )
      )
      AND messages.created_at < (
        COALESCE(CAST(:until AS TIMESTAMP), CAST(:data_through AS TIMESTAMP))
      )
    )
    AND messages.deleted_at IS NULL
    AND messages.message_type IS DISTINCT FROM 'system'
    AND NOT messages.sender_key IS NULL
), instants AS (
  SELECT
    said.created_at,
    LAG(said.created_at) OVER (ORDER BY said.created_at NULLS LAST) AS before_at
  FROM said AS said
  GROUP BY
    said.created_at
), replies AS (
  SELECT
    said.sender_key AS from_key,
    earlier.sender_key AS to_key,
    (
      UNIX_MICROS(said.created_at) - UNIX_MICROS(earlier.created_at)
    ) DIV 1000000 AS seconds
  FROM said AS said
  INNER JOIN instants AS instants
    ON said.created_at = instants.created_at
  INNER JOIN said AS earlier
    ON instants.before_at = earlier.created_at AND said.sender_key <> earlier.sender_key
  WHERE
    said.created_at >= CAST(:since AS TIMESTAMP)
    AND said.created_at - earlier.created_at < (
      INTERVAL '24' HOURS
    )
), named AS (
  SELECT
    everybody.*
  FROM replies AS everybody
  WHERE
    CAST(:visible_to AS STRING) IS NULL
  UNION ALL
  SELECT
    seen.*
  FROM replies AS seen
  SEMI JOIN (
    SELECT
      participants.user_key
    FROM core_dim_participants AS participants
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
    WHERE
      CAST(:for_conversation AS STRING) IS NULL
  ) AS senders
    ON seen.from_key = senders.user_key
  SEMI JOIN (
    SELECT
      participants.user_key
    FROM core_dim_participants AS participants
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
    WHERE
      CAST(:for_conversation AS STRING) IS NULL
  ) AS others
    ON seen.to_key = others.user_key
  WHERE
    NOT CAST(:visible_to AS STRING) IS NULL
), pairs AS (
  SELECT
    named.from_key,
    named.to_key,
    COUNT(*) AS reply_count,
    CAST(PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY
      named.seconds) AS BIGINT) AS half_seconds
  FROM named AS named
  GROUP BY
    named.from_key,
    named.to_key
)
SELECT
  senders.user_id AS from_user_id,
  CASE WHEN senders.deleted_at IS NULL THEN senders.username END AS from_username,
  others.user_id AS to_user_id,
  CASE WHEN others.deleted_at IS NULL THEN others.username END AS to_username,
  pairs.reply_count AS replies,
  pairs.half_seconds
FROM pairs AS pairs
INNER JOIN core_dim_users AS senders
  ON pairs.from_key = senders.user_key
INNER JOIN core_dim_users AS others
  ON pairs.to_key = others.user_key
ORDER BY
  pairs.reply_count DESC,
  senders.user_id NULLS LAST,
  others.user_id NULLS LAST
LIMIT COALESCE(CAST(:top_n AS INT), 2147483647)
