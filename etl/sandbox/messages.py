"""Messages of a few days, generated in sessions.

A session is a burst of messages in one conversation: two to four senders, pauses of seconds to
minutes, in the waking hours of the conversation's time zone. All sessions are drawn in arrays at
once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.sandbox.population import Population
from etl.sandbox.rng import (
    DAY,
    HOUR,
    MINUTE,
    NEVER,
    SECOND,
    Bools,
    Ints,
    random_delays,
    random_uuids,
    timestamps,
)
from etl.sandbox.texts import MessageTexts

MESSAGE_TYPES = ("text", "image", "file", "system", "sticker")
TEXT, IMAGE, FILE, SYSTEM, STICKER = range(5)
_TYPE_SHARES = np.cumsum([0.857, 0.08, 0.04, 0.018, 0.005])

_MESSAGES_PER_SESSION = 8
_MAX_SENDERS = 4

# Weight of each local hour, from midnight.
_HOURS = np.array(
    [3, 2, 1, 1, 1, 2, 5, 12, 22, 30, 33, 34, 36, 34, 32, 31, 31, 33, 36, 40, 42, 36, 22, 10], float
)
_HOURS_BEFORE = np.concatenate([[0.0], np.cumsum(_HOURS) / _HOURS.sum()])
_ZONES = np.array([0, 0, 0, 1, 1, 2, -5, -8, 9])  # hours east of UTC, by conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Messages, one entry each; times in microseconds.

    Attributes:
        session: the session of the message.
        member: the sender, as an index into the population's members.
        has_sender: false for messages of the messenger itself (their sender is null).
        content: index into the pool of texts, -1 for null.
        arrived: when the row was written: long after `created` in a backdated import.
    """

    ids: pl.Series
    session: Ints
    conversation: Ints
    member: Ints
    has_sender: Bools
    types: Ints
    content: Ints
    created: Ints
    updated: Ints
    deleted: Ints
    arrived: Ints

    def senders(self, population: Population) -> pl.Series:
        """The id of each message's sender, or null."""
        ids = pl.Series(population.users.ids[population.members.user[self.member]])
        return ids.set(pl.Series(~self.has_sender), None)

    def rows(self, population: Population, texts: MessageTexts) -> pl.DataFrame:
        """The rows of the table `messages`, with the additional column `arrived`."""
        content = pl.Series(self.content).replace(-1, None)
        return pl.DataFrame(
            {
                "id": self.ids,
                "conversation_id": population.conversations.ids.gather(self.conversation),
                "sender_id": self.senders(population),
                "message_type": pl.Series(MESSAGE_TYPES).gather(self.types),
                "content": texts.pool.gather(content),
                "created_at": timestamps(self.created),
                "updated_at": timestamps(self.updated),
                "deleted_at": timestamps(self.deleted),
                "arrived": self.arrived,
            }
        )


def generate_messages(
    rng: np.random.Generator,
    population: Population,
    texts: MessageTexts,
    *,
    begin: int,
    per_day: Ints,
) -> Messages:
    """Messages of the sessions that begin in consecutive days.

    Args:
        begin: start of the first day, in microseconds.
        per_day: the number of messages for each 24 hours. The total is exact; a session that
            crosses midnight belongs to the day in which it begins.
    """
    count = int(per_day.sum())
    sizes = _session_sizes(rng, count)
    session = np.repeat(np.arange(len(sizes)), sizes)
    day = np.searchsorted(np.cumsum(per_day), np.cumsum(sizes) - sizes, side="right")
    begins = begin + day * DAY
    of_session = _session_conversations(rng, population, begins)
    conversation = of_session[session]

    offset = _offsets(rng, sizes)
    last = np.maximum.reduceat(offset, np.cumsum(sizes) - sizes)
    starts = _session_starts(rng, of_session, begins)
    starts = np.minimum(starts, population.until - 1 - last)
    arrived = starts[session] + offset
    oldest = population.conversations.created
    backdated_by = _backdating(rng, starts, population.start, oldest[of_session])
    created = _truncate_some(rng, arrived - backdated_by[session])
    created = np.maximum(created, oldest[conversation])

    member = _senders(rng, population, session, of_session, created)
    types = np.searchsorted(_TYPE_SHARES / _TYPE_SHARES[-1], rng.random(count), side="right")
    updated, deleted = _edits_and_deletions(rng, types, created, population.until)
    return Messages(
        ids=random_uuids(rng, count),
        session=session,
        conversation=conversation,
        member=member,
        has_sender=(types != SYSTEM) | (rng.random(count) < 0.5),
        types=types,
        content=_contents(rng, texts, types),
        created=created,
        updated=updated,
        deleted=deleted,
        arrived=arrived,
    )


def _session_sizes(rng: np.random.Generator, count: int) -> Ints:
    """Geometric sizes that add up to `count`; the last one is cut."""
    sizes = rng.geometric(1 / _MESSAGES_PER_SESSION, count // 4 + 20)
    sizes[-1] = count
    ends = np.cumsum(sizes)
    used = int(np.searchsorted(ends, count)) + 1
    sizes = sizes[:used]
    sizes[-1] -= ends[used - 1] - count
    return np.asarray(sizes)


def _session_conversations(rng: np.random.Generator, population: Population, begins: Ints) -> Ints:
    """A conversation per session, by weight, of those that exist when the session's day begins."""
    weight = population.conversations.cumulative_weight
    existing = np.searchsorted(population.conversations.created, begins, side="right")
    return np.searchsorted(weight, rng.random(len(begins)) * weight[existing - 1], side="right")


def _session_starts(rng: np.random.Generator, of_session: Ints, begins: Ints) -> Ints:
    """A moment per session within 24 hours of the start of its day, in waking hours."""
    drawn = rng.random(len(of_session))
    hour = np.searchsorted(_HOURS_BEFORE, drawn, side="right") - 1
    within = (drawn - _HOURS_BEFORE[hour]) / (_HOURS_BEFORE[hour + 1] - _HOURS_BEFORE[hour])
    local = ((hour + within) * HOUR).astype(np.int64)
    zone = _ZONES[of_session % len(_ZONES)]
    return np.asarray(begins + (local - zone * HOUR - begins % DAY) % DAY)


def _offsets(rng: np.random.Generator, sizes: Ints) -> Ints:
    """Time since the start of the session: log-normal pauses, some of length zero."""
    count = int(sizes.sum())
    pauses = (rng.lognormal(np.log(25 * SECOND), 1.2, count)).astype(np.int64)
    pauses[rng.random(count) < 0.02] = 0
    beginnings = np.cumsum(sizes) - sizes
    pauses[beginnings] = 0
    elapsed = np.cumsum(pauses)
    return np.asarray(elapsed - np.repeat(elapsed[beginnings], sizes))


def _backdating(
    rng: np.random.Generator, starts: Ints, oldest: int, conversation_created: Ints
) -> Ints:
    """How far each session is backdated: one in 150 is an import of old messages."""
    room = starts - np.maximum(oldest, conversation_created) - DAY
    imported = (rng.random(len(starts)) < 1 / 150) & (room > DAY)
    return np.where(imported, DAY + (rng.random(len(starts)) * room).astype(np.int64), 0)


def _truncate_some(rng: np.random.Generator, moments: Ints) -> Ints:
    """Truncate 3 % of the moments to whole seconds, as some clients do."""
    truncated = rng.random(len(moments)) < 0.03
    return np.where(truncated, moments - moments % SECOND, moments)


def _senders(
    rng: np.random.Generator, population: Population, session: Ints, of_session: Ints, created: Ints
) -> Ints:
    """A member per message, of the session's few senders; the owner where that one cannot act."""
    sizes = population.members.sizes()[of_session]
    position = rng.random((len(of_session), _MAX_SENDERS)) ** 1.5  # early members write more
    slots = (position * sizes[:, None]).astype(np.int64)
    senders = np.minimum(sizes, rng.integers(2, _MAX_SENDERS + 1, len(sizes)))
    turn = (rng.random(len(session)) * senders[session]).astype(np.int64)
    owner = population.members.first[of_session][session]
    member = owner + slots[session, turn]
    return np.where(population.can_act(member, created), member, owner)


def _contents(rng: np.random.Generator, texts: MessageTexts, types: Ints) -> Ints:
    """An index into the pool per message, -1 for null."""
    drawn = rng.random(len(types))
    content = np.full(len(types), -1)
    ranges = (texts.texts, texts.captions, texts.files, texts.notices, texts.stickers)
    for number, choices in enumerate(ranges):
        chosen = types == number
        content[chosen] = choices.start + (drawn[chosen] * len(choices)).astype(np.int64)
    content[(types == TEXT) & (rng.random(len(types)) < 0.004)] = texts.texts.start  # empty
    content[(types == IMAGE) & (rng.random(len(types)) < 0.6)] = -1
    return content


def _edits_and_deletions(
    rng: np.random.Generator, types: Ints, created: Ints, until: int
) -> tuple[Ints, Ints]:
    """When each message was edited and deleted; a message is never edited after its deletion."""
    count = len(types)
    deleted = created + 5 * SECOND + random_delays(rng, 6 * HOUR, count)
    deleted = np.where((rng.random(count) < 0.025) & (deleted < until), deleted, NEVER)
    updated = created + SECOND + random_delays(rng, 8 * MINUTE, count)
    edited = (types == TEXT) & (rng.random(count) < 0.045)
    edited &= updated < np.minimum(deleted, until)
    return np.where(edited, updated, NEVER), deleted
