"""What follows from messages: read receipts and analytics events.

Every frame made here has an `arrived` column besides the table's own: the moment, in
microseconds, at which the messenger wrote the row.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.sandbox.draws import (
    DAY,
    HOUR,
    MINUTE,
    NEVER,
    SECOND,
    TIME,
    Ints,
    delays,
    times,
    uuids,
)
from etl.sandbox.talk import FILE, IMAGE, TYPES, Talk
from etl.sandbox.world import KINDS, ROLES, World

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

_MOST_READERS = 9
_DEVICES = pl.Series(["ios", "android", "web", "desktop"])
_NOBODY = pl.lit(None, dtype=pl.Int64)
_NOWHERE = pl.lit(None, dtype=pl.String)


def receipts_of(rng: np.random.Generator, world: World, talk: Talk) -> pl.DataFrame:
    """Rows of `message_read_receipts` for these messages.

    Readers are other members, nobody twice; they read after the message has arrived, most
    within minutes, some after days, and only while they belong to the conversation.
    """
    others = world.members.sizes()[talk.conversation] - 1
    readers = np.minimum(others, rng.geometric(0.17, len(others)).clip(0, _MOST_READERS))
    readers[rng.random(len(readers)) < 0.04] = 0
    message = np.repeat(np.arange(len(readers)), readers)
    nth = np.arange(len(message)) - np.repeat(np.cumsum(readers) - readers, readers)

    # 1 to `others` steps from the sender round the circle of members: distinct, never himself.
    circle = others[message]
    begin = (rng.random(len(readers)) * others).astype(np.int64)[message]
    steps = 1 + (begin + nth) % circle
    owner = world.members.first[talk.conversation[message]]
    member = owner + (talk.member[message] - owner + steps) % (circle + 1)

    wait = rng.lognormal(np.log(45 * SECOND), 1.8, len(message)).astype(np.int64)
    slow = rng.random(len(message)) < 0.05
    wait += np.where(slow, delays(rng, 2 * DAY, len(message)), 0)
    read = talk.arrived[message] + SECOND // 2 + wait
    happened = (read < world.until) & world.may_act(member, read)
    message, member, read = message[happened], member[happened], read[happened]
    return pl.DataFrame(
        {
            "message_id": talk.ids.gather(message),
            "user_id": world.users.ids[world.members.user[member]],
            "read_at": times(read),
            "arrived": read,
        }
    )


def events_of(
    rng: np.random.Generator,
    world: World,
    talk: Talk,
    receipts: pl.DataFrame,
    *,
    begin: int,
    end: int,
) -> pl.DataFrame:
    """Rows of `analytics_events`.

    They come from these messages and receipts, and from what happened to conversations
    and memberships between `begin` and `end`.
    """
    happened = pl.concat(
        [
            _about_messages(rng, world, talk),
            _about_reading(rng, receipts),
            _about_presence(rng, world, talk),
            _about_conversations(world, begin, end),
        ]
    ).filter(pl.col("arrived") < world.until)
    return happened.select(
        uuids(rng, len(happened)).alias("id"),
        pl.col("event_type", "user_id", "conversation_id", "metadata"),
        pl.col("created").cast(TIME).alias("created_at"),
        "arrived",
    )


def _event(
    facts: pl.DataFrame,
    event_type: str,
    *,
    metadata: pl.Expr,
    user: pl.Expr | None = None,
    conversation: pl.Expr | None = None,
    created: str = "created",
    arrived: str = "arrived",
) -> pl.DataFrame:
    """One event per row of `facts`; user and conversation are columns of it unless given."""
    return facts.select(
        pl.lit(event_type).alias("event_type"),
        (pl.col("user") if user is None else user).alias("user_id"),
        (pl.col("conversation") if conversation is None else conversation).alias("conversation_id"),
        metadata.alias("metadata"),
        pl.col(created).alias("created"),
        pl.col(arrived).alias("arrived"),
    )


def _about_messages(rng: np.random.Generator, world: World, talk: Talk) -> pl.DataFrame:
    count = len(talk.created)
    # A client without network hands its events in hours later.
    offline = np.where(rng.random(count) < 0.02, delays(rng, 3 * HOUR, count), 0)
    sender = pl.Series(world.users.ids[world.members.user[talk.member]])
    facts = pl.DataFrame(
        {
            "message": talk.ids,
            "type": pl.Series(TYPES).gather(talk.kind),
            "user": sender.set(pl.Series(~talk.speaks), None),
            "conversation": world.conversations.ids.gather(talk.conversation),
            "created": talk.created,
            "updated": talk.updated,
            "deleted": talk.deleted,
            "arrived": talk.arrived,
            "reported": talk.arrived + offline,
            "sampled": rng.random(count) < 0.45,
            "by_rule": rng.random(count) < 0.1,
            "uploaded": (talk.kind == FILE) | ((talk.kind == IMAGE) & (rng.random(count) < 0.3)),
            "bytes": rng.lognormal(12, 2, count).astype(np.int64) + 1,
        }
    )
    edits = facts.filter(pl.col("updated") < NEVER)
    deletions = facts.filter(pl.col("deleted") < NEVER)
    remover = pl.when("by_rule").then(_NOBODY).otherwise("user")
    return pl.concat(
        [
            _event(
                facts.filter("sampled"),
                "message.sent",
                metadata=_json(message_id="message", message_type="type"),
                arrived="reported",
            ),
            _event(
                edits,
                "message.edited",
                metadata=_json(message_id="message"),
                created="updated",
                arrived="updated",
            ),
            _event(
                deletions,
                "message.deleted",
                metadata=_json(message_id="message"),
                user=remover,
                created="deleted",
                arrived="deleted",
            ),
            _event(
                facts.filter("uploaded"),
                "file.uploaded",
                metadata=_json(file_type="type", file_size="bytes"),
            ),
        ]
    )


def _about_reading(rng: np.random.Generator, receipts: pl.DataFrame) -> pl.DataFrame:
    sampled = receipts.filter(pl.Series(rng.random(len(receipts)) < 0.1))
    facts = sampled.select(
        message="message_id", user="user_id", created="arrived", arrived="arrived"
    )
    # The client does not say where it reads: an event without a conversation.
    return _event(
        facts, "message.read", metadata=_json(message_id="message"), conversation=_NOWHERE
    )


def _about_presence(rng: np.random.Generator, world: World, talk: Talk) -> pl.DataFrame:
    """Who opens a session comes online shortly before it and goes offline after it."""
    first = np.flatnonzero(np.diff(talk.session, prepend=-1))
    user = world.members.user[talk.member[first]]
    came = talk.arrived[first] - delays(rng, 2 * MINUTE, len(first))
    came = np.maximum(came, world.users.created[user])
    stayed = delays(rng, 20 * MINUTE, len(first))
    facts = pl.DataFrame(
        {
            "user": world.users.ids[user],
            "device": _DEVICES.gather(rng.integers(0, len(_DEVICES), len(first))),
            "seconds": stayed // SECOND,
            "came": came,
            "went": talk.arrived[first] + stayed,
        }
    )
    return pl.concat(
        [
            _event(
                facts,
                event_type,
                metadata=metadata,
                conversation=_NOWHERE,
                created=moment,
                arrived=moment,
            )
            for event_type, metadata, moment in (
                ("user.online", _json(device="device"), "came"),
                ("user.offline", _json(session_seconds="seconds"), "went"),
            )
        ]
    )


def _about_conversations(world: World, begin: int, end: int) -> pl.DataFrame:
    conversations, members = world.conversations, world.members

    def during(moments: Ints) -> Ints:
        return np.flatnonzero((begin <= moments) & (moments < end))

    def of_members(at: Ints, moments: Ints) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "user": world.users.ids[members.user[at]],
                "conversation": conversations.ids.gather(members.conversation[at]),
                "role": pl.Series(ROLES).gather(members.role[at]),
                "created": moments[at],
            }
        )

    new = during(conversations.created)
    founded = pl.DataFrame(
        {
            "user": world.users.ids[members.user[members.first[new]]],
            "conversation": conversations.ids.gather(new),
            "kind": pl.Series(KINDS).gather(conversations.kinds[new]),
            "created": conversations.created[new],
        }
    )
    joined = pl.concat(
        [of_members(during(moments), moments) for moments in (members.joined, members.rejoined)]
    )
    left = of_members(during(members.left), members.left)
    empty = pl.lit("{}")
    return pl.concat(
        [
            _event(founded, "conversation.created", metadata=_json(type="kind"), arrived="created"),
            _event(joined, "conversation.joined", metadata=_json(role="role"), arrived="created"),
            _event(left, "conversation.left", metadata=empty, arrived="created"),
        ]
    )


def _json(**columns: str) -> pl.Expr:
    """Each row's values under the given names, as the text of a JSON object."""
    values = [pl.col(column).alias(name) for name, column in columns.items()]
    return pl.struct(*values).struct.json_encode()
