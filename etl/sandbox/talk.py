"""What is said over a few days: sessions of messages that answer each other.

A session is a burst in one conversation: two to four people, seconds to minutes apart, at
an hour at which their part of the world is awake. Everything is drawn in arrays, for all
sessions at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.sandbox.draws import DAY, HOUR, MINUTE, NEVER, SECOND, Bools, Ints, delays, times, uuids
from etl.sandbox.wording import Phrases
from etl.sandbox.world import World

TYPES = ("text", "image", "file", "system", "sticker")
TEXT, IMAGE, FILE, SYSTEM, STICKER = range(5)
_TYPE_SHARES = np.cumsum([0.857, 0.08, 0.04, 0.018, 0.005])

MESSAGES_PER_SESSION = 8
_SPEAKERS = 4

# Share of a day's messages by local hour, from midnight on.
_HOURS = np.array(
    [3, 2, 1, 1, 1, 2, 5, 12, 22, 30, 33, 34, 36, 34, 32, 31, 31, 33, 36, 40, 42, 36, 22, 10], float
)
_HOURS_BEFORE = np.concatenate([[0.0], np.cumsum(_HOURS) / _HOURS.sum()])
_ZONES = np.array([0, 0, 0, 1, 1, 2, -5, -8, 9])  # hours east of UTC, by conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Messages, one entry each; times in microseconds.

    Attributes:
        session: which burst it belongs to.
        member: who sent it, as an index into the world's members.
        speaks: false where the messenger itself does (the sender is null).
        created, updated, deleted: the message's own times.
        arrived: when the row was written: long after `created` in a backdated import.
        content: index into the phrases, -1 for none.
    """

    ids: pl.Series
    session: Ints
    conversation: Ints
    member: Ints
    speaks: Bools
    kind: Ints
    content: Ints
    created: Ints
    updated: Ints
    deleted: Ints
    arrived: Ints

    def frame(self, world: World, phrases: Phrases) -> pl.DataFrame:
        """As rows of the table `messages`, with `arrived` besides."""
        sender = pl.Series(world.users.ids[world.members.user[self.member]])
        content = pl.Series(self.content).replace(-1, None)
        return pl.DataFrame(
            {
                "id": self.ids,
                "conversation_id": world.conversations.ids.gather(self.conversation),
                "sender_id": sender.set(pl.Series(~self.speaks), None),
                "message_type": pl.Series(TYPES).gather(self.kind),
                "content": phrases.pool.gather(content),
                "created_at": times(self.created),
                "updated_at": times(self.updated),
                "deleted_at": times(self.deleted),
                "arrived": self.arrived,
            }
        )


def talk_of_days(
    rng: np.random.Generator, world: World, phrases: Phrases, *, begin: int, per_day: Ints
) -> Talk:
    """Messages whose sessions begin in the days from `begin` on.

    Args:
        per_day: how many messages to make for each 24 hours. Their sum is exact; a session
            that straddles two days counts where it begins.
    """
    count = int(per_day.sum())
    sizes = _session_sizes(rng, count)
    session = np.repeat(np.arange(len(sizes)), sizes)
    day = np.searchsorted(np.cumsum(per_day), np.cumsum(sizes) - sizes, side="right")
    begins = begin + day * DAY
    of_session = _session_conversations(rng, world, begins)
    conversation = of_session[session]

    offset = _offsets(rng, sizes)
    last = np.maximum.reduceat(offset, np.cumsum(sizes) - sizes)
    starts = _session_starts(rng, of_session, begins)
    starts = np.minimum(starts, world.until - 1 - last)
    arrived = starts[session] + offset
    back = _backdating(rng, starts, world.start, world.conversations.created[of_session])
    created = _rough(rng, arrived - back[session])
    created = np.maximum(created, world.conversations.created[conversation])

    member = _senders(rng, world, session, of_session, created)
    kind = np.searchsorted(_TYPE_SHARES / _TYPE_SHARES[-1], rng.random(count), side="right")
    updated, deleted = _fates(rng, kind, created, world.until)
    return Talk(
        ids=uuids(rng, count),
        session=session,
        conversation=conversation,
        member=member,
        speaks=(kind != SYSTEM) | (rng.random(count) < 0.5),
        kind=kind,
        content=_contents(rng, phrases, kind),
        created=created,
        updated=updated,
        deleted=deleted,
        arrived=arrived,
    )


def _session_sizes(rng: np.random.Generator, count: int) -> Ints:
    """Geometric sizes that add up to `count`; the last one is cut."""
    sizes = rng.geometric(1 / MESSAGES_PER_SESSION, count // 4 + 20)
    sizes[-1] = count
    ends = np.cumsum(sizes)
    used = int(np.searchsorted(ends, count)) + 1
    sizes = sizes[:used]
    sizes[-1] -= ends[used - 1] - count
    return np.asarray(sizes)


def _session_conversations(rng: np.random.Generator, world: World, begins: Ints) -> Ints:
    """A conversation per session, by its pull, among those that exist when its day begins."""
    pull = world.conversations.pull
    existing = np.searchsorted(world.conversations.created, begins, side="right")
    return np.searchsorted(pull, rng.random(len(begins)) * pull[existing - 1], side="right")


def _session_starts(rng: np.random.Generator, of_session: Ints, begins: Ints) -> Ints:
    """A moment per session within 24 hours of its day's beginning, in waking hours."""
    drawn = rng.random(len(of_session))
    hour = np.searchsorted(_HOURS_BEFORE, drawn, side="right") - 1
    within = (drawn - _HOURS_BEFORE[hour]) / (_HOURS_BEFORE[hour + 1] - _HOURS_BEFORE[hour])
    local = ((hour + within) * HOUR).astype(np.int64)
    zone = _ZONES[of_session % len(_ZONES)]
    return np.asarray(begins + (local - zone * HOUR - begins % DAY) % DAY)


def _offsets(rng: np.random.Generator, sizes: Ints) -> Ints:
    """Time since the session's start: log-normal pauses, and some with none at all."""
    count = int(sizes.sum())
    pauses = (rng.lognormal(np.log(25 * SECOND), 1.2, count)).astype(np.int64)
    pauses[rng.random(count) < 0.02] = 0
    beginnings = np.cumsum(sizes) - sizes
    pauses[beginnings] = 0
    elapsed = np.cumsum(pauses)
    return np.asarray(elapsed - np.repeat(elapsed[beginnings], sizes))


def _backdating(
    rng: np.random.Generator, starts: Ints, window: int, conversation_created: Ints
) -> Ints:
    """How far one session in 150 lies back: it is imported, long after it happened."""
    room = starts - np.maximum(window, conversation_created) - DAY
    imported = (rng.random(len(starts)) < 1 / 150) & (room > DAY)
    return np.where(imported, DAY + (rng.random(len(starts)) * room).astype(np.int64), 0)


def _rough(rng: np.random.Generator, moments: Ints) -> Ints:
    """Some clients know whole seconds only."""
    rough = rng.random(len(moments)) < 0.03
    return np.where(rough, moments - moments % SECOND, moments)


def _senders(
    rng: np.random.Generator, world: World, session: Ints, of_session: Ints, created: Ints
) -> Ints:
    """A member per message, out of the session's few speakers; the owner where one may not."""
    sizes = world.members.sizes()[of_session]
    talkative = rng.random((len(of_session), _SPEAKERS)) ** 1.5  # early members speak more
    slots = (talkative * sizes[:, None]).astype(np.int64)
    speakers = np.minimum(sizes, rng.integers(2, _SPEAKERS + 1, len(sizes)))
    turn = (rng.random(len(session)) * speakers[session]).astype(np.int64)
    owner = world.members.first[of_session][session]
    member = owner + slots[session, turn]
    return np.where(world.may_act(member, created), member, owner)


def _contents(rng: np.random.Generator, phrases: Phrases, kind: Ints) -> Ints:
    drawn = rng.random(len(kind))
    content = np.full(len(kind), -1)
    stretches = (phrases.texts, phrases.captions, phrases.files, phrases.notices, phrases.stickers)
    for number, stretch in enumerate(stretches):
        chosen = kind == number
        content[chosen] = stretch.start + (drawn[chosen] * len(stretch)).astype(np.int64)
    content[(kind == TEXT) & (rng.random(len(kind)) < 0.004)] = phrases.texts.start  # empty
    content[(kind == IMAGE) & (rng.random(len(kind)) < 0.6)] = -1
    return content


def _fates(rng: np.random.Generator, kind: Ints, created: Ints, until: int) -> tuple[Ints, Ints]:
    """When each message was edited and deleted, if ever; never edited after its deletion."""
    count = len(kind)
    deleted = created + 5 * SECOND + delays(rng, 6 * HOUR, count)
    deleted = np.where((rng.random(count) < 0.025) & (deleted < until), deleted, NEVER)
    updated = created + SECOND + delays(rng, 8 * MINUTE, count)
    edited = (kind == TEXT) & (rng.random(count) < 0.045)
    edited &= updated < np.minimum(deleted, until)
    return np.where(edited, updated, NEVER), deleted
