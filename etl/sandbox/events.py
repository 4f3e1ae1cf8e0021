"""Analytics events of generated messages, receipts, conversations and memberships."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.sandbox.messages import FILE, IMAGE, MESSAGE_TYPES, Messages
from etl.sandbox.population import CONVERSATION_TYPES, ROLES, Population
from etl.sandbox.rng import HOUR, MINUTE, NEVER, SECOND, TIME, Ints, random_delays, random_uuids

EVENT_TYPES = (
    "message.sent",
    "message.edited",
    "message.deleted",
    "message.read",
    "user.online",
    "user.offline",
    "conversation.created",
    "conversation.joined",
    "conversation.left",
    "file.uploaded",
)
DEVICES = ("ios", "android", "web", "desktop")

_NO_USER = pl.lit(None, dtype=pl.Int64)
_NO_CONVERSATION = pl.lit(None, dtype=pl.String)


def generate_events(
    rng: np.random.Generator,
    population: Population,
    messages: Messages,
    receipts: pl.DataFrame,
    *,
    begin: int,
    end: int,
) -> pl.DataFrame:
    """The rows of `analytics_events` for these messages and receipts.

    Events of conversations and memberships are those between `begin` and `end` (microseconds).
    The additional column `arrived` is when the messenger wrote the row, in microseconds.
    """
    events = pl.concat(
        [
            _message_events(rng, population, messages),
            _read_events(rng, receipts),
            _presence_events(rng, population, messages),
            _conversation_events(population, begin, end),
        ]
    ).filter(pl.col("arrived") < population.until)
    return events.select(
        random_uuids(rng, len(events)).alias("id"),
        pl.col("event_type", "user_id", "conversation_id", "metadata"),
        pl.col("created").cast(TIME).alias("created_at"),
        "arrived",
    )


def _event(
    rows: pl.DataFrame,
    event_type: str,
    *,
    metadata: pl.Expr,
    user: pl.Expr | None = None,
    conversation: pl.Expr | None = None,
    created: str = "created",
    arrived: str = "arrived",
) -> pl.DataFrame:
    """One event per row; user and conversation are the columns of that name unless given."""
    return rows.select(
        pl.lit(event_type).alias("event_type"),
        (pl.col("user") if user is None else user).alias("user_id"),
        (pl.col("conversation") if conversation is None else conversation).alias("conversation_id"),
        metadata.alias("metadata"),
        pl.col(created).alias("created"),
        pl.col(arrived).alias("arrived"),
    )


def _message_events(
    rng: np.random.Generator, population: Population, messages: Messages
) -> pl.DataFrame:
    """Messages sent, edited and deleted, and files uploaded."""
    count = len(messages.created)
    # A client without network sends its events hours later.
    offline = np.where(rng.random(count) < 0.02, random_delays(rng, 3 * HOUR, count), 0)
    types = messages.types
    rows = pl.DataFrame(
        {
            "message": messages.ids,
            "type": pl.Series(MESSAGE_TYPES).gather(types),
            "user": messages.senders(population),
            "conversation": population.conversations.ids.gather(messages.conversation),
            "created": messages.created,
            "updated": messages.updated,
            "deleted": messages.deleted,
            "arrived": messages.arrived,
            "reported": messages.arrived + offline,
            "sampled": rng.random(count) < 0.45,
            "by_rule": rng.random(count) < 0.1,
            "uploaded": (types == FILE) | ((types == IMAGE) & (rng.random(count) < 0.3)),
            "bytes": rng.lognormal(12, 2, count).astype(np.int64) + 1,
        }
    )
    message = _json(message_id="message")
    return pl.concat(
        [
            _event(
                rows.filter("sampled"),
                "message.sent",
                metadata=_json(message_id="message", message_type="type"),
                arrived="reported",
            ),
            _event(
                rows.filter(pl.col("updated") < NEVER),
                "message.edited",
                metadata=message,
                created="updated",
                arrived="updated",
            ),
            _event(
                rows.filter(pl.col("deleted") < NEVER),
                "message.deleted",
                metadata=message,
                user=pl.when("by_rule").then(_NO_USER).otherwise("user"),
                created="deleted",
                arrived="deleted",
            ),
            _event(
                rows.filter("uploaded"),
                "file.uploaded",
                metadata=_json(file_type="type", file_size="bytes"),
            ),
        ]
    )


def _read_events(rng: np.random.Generator, receipts: pl.DataFrame) -> pl.DataFrame:
    """One event per ten receipts; the client does not report the conversation."""
    sampled = receipts.filter(pl.Series(rng.random(len(receipts)) < 0.1))
    return _event(
        sampled,
        "message.read",
        metadata=_json(message_id="message_id"),
        user=pl.col("user_id"),
        conversation=_NO_CONVERSATION,
        created="arrived",
    )


def _presence_events(
    rng: np.random.Generator, population: Population, messages: Messages
) -> pl.DataFrame:
    """The first sender of a session comes online shortly before it and goes offline later."""
    first = np.flatnonzero(np.diff(messages.session, prepend=-1))
    user = population.members.user[messages.member[first]]
    online = messages.arrived[first] - random_delays(rng, 2 * MINUTE, len(first))
    online = np.maximum(online, population.users.created[user])
    duration = random_delays(rng, 20 * MINUTE, len(first))
    rows = pl.DataFrame(
        {
            "user": population.users.ids[user],
            "device": pl.Series(DEVICES).gather(rng.integers(0, len(DEVICES), len(first))),
            "seconds": duration // SECOND,
            "online": online,
            "offline": messages.arrived[first] + duration,
        }
    )
    return pl.concat(
        [
            _event(
                rows,
                f"user.{moment}",
                metadata=metadata,
                conversation=_NO_CONVERSATION,
                created=moment,
                arrived=moment,
            )
            for moment, metadata in (
                ("online", _json(device="device")),
                ("offline", _json(session_seconds="seconds")),
            )
        ]
    )


def _conversation_events(population: Population, begin: int, end: int) -> pl.DataFrame:
    """Conversations created, and members joining and leaving, between `begin` and `end`."""
    conversations, members = population.conversations, population.members

    def rows(member: Ints, moments: Ints) -> pl.DataFrame:
        conversation = members.conversation[member]
        return pl.DataFrame(
            {
                "user": population.users.ids[members.user[member]],
                "conversation": conversations.ids.gather(conversation),
                "type": pl.Series(CONVERSATION_TYPES).gather(conversations.types[conversation]),
                "role": pl.Series(ROLES).gather(members.role[member]),
                "created": moments,
            }
        )

    def between(moments: Ints) -> Ints:
        return np.flatnonzero((begin <= moments) & (moments < end))

    def of_members(moments: Ints) -> pl.DataFrame:
        found = between(moments)
        return rows(found, moments[found])

    new = between(conversations.created)
    created = rows(members.first[new], conversations.created[new])
    joined = pl.concat([of_members(members.joined), of_members(members.rejoined)])
    left = of_members(members.left)
    return pl.concat(
        [
            _event(rows, event_type, metadata=metadata, arrived="created")
            for rows, event_type, metadata in (
                (created, "conversation.created", _json(type="type")),
                (joined, "conversation.joined", _json(role="role")),
                (left, "conversation.left", pl.lit("{}")),
            )
        ]
    )


def _json(**columns: str) -> pl.Expr:
    """Each row's values under the given names, as the text of a JSON object."""
    values = [pl.col(column).alias(name) for name, column in columns.items()]
    return pl.struct(*values).struct.json_encode()
