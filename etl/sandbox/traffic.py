"""A messenger's whole history from a seed: the same plan gives the same rows, byte for byte.

The history is made a day at a time (several days, when they are small), so fifty million
messages need the memory of one day.
Rows come in the order in which a messenger would have written them: a receipt that is read
three days later stands three days further down, and a backdated import stands where it
arrived, not where it claims to belong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import polars as pl

from etl.sandbox.draws import DAY, Ints, microseconds, stream
from etl.sandbox.echoes import events_of, receipts_of
from etl.sandbox.founding import make_world
from etl.sandbox.load import Chunk, Counts, Progress, load_chunks
from etl.sandbox.talk import talk_of_days
from etl.sandbox.wording import phrases
from etl.sandbox.world import World

__all__ = ["Chunk", "Counts", "TrafficPlan", "generate", "load"]

_WEEKDAYS = np.array([1.05, 1.1, 1.1, 1.05, 0.95, 0.6, 0.55])  # from Monday on
_WORTHWHILE = 25_000  # messages
_MONDAY = microseconds(datetime(2024, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPlan:
    """What to generate.

    Attributes:
        until: no row is as late as this; an aware datetime, usually now.
        messages: how many messages, exactly; 1,000 to 50 million make sense.
        days: over how many times 24 hours before `until`.
        seed: another seed is another messenger.
    """

    until: datetime
    messages: int = 100_000
    days: int = 120
    seed: int = 7

    def __post_init__(self) -> None:
        if self.until.utcoffset() is None:
            raise ValueError("until must have a time zone")
        if self.messages < 1 or self.days < 1:
            raise ValueError("messages and days must be at least 1")

    @property
    def start(self) -> datetime:
        """When the traffic begins; users and conversations may be older."""
        return self.until - timedelta(days=self.days)

    @property
    def users(self) -> int:
        """Number of users: 2,000 for 100,000 messages, 50,000 for 5 million."""
        return max(12, self._grown(2_000))

    @property
    def conversations(self) -> int:
        """Number of conversations: 1,500 for 100,000 messages."""
        return max(9, self._grown(1_500))

    def _grown(self, count: int) -> int:
        """What 100,000 messages have `count` of: it grows more slowly than they do."""
        return round(count * math.pow(self.messages / 100_000, 0.82))


def generate(plan: TrafficPlan) -> Iterator[Chunk]:
    """The rows of a plan: the three small tables first, then the others day by day."""
    world = make_world(
        seed=plan.seed,
        users=plan.users,
        conversations=plan.conversations,
        start=microseconds(plan.start),
        until=microseconds(plan.until),
    )
    yield Chunk("users", world.users.frame())
    yield Chunk("conversations", world.conversations.frame())
    yield Chunk("conversation_participants", world.participants())
    yield from _days(plan, world)


def load(url: str, plan: TrafficPlan, progress: Progress | None = None) -> Counts:
    """Make the messenger's tables in an empty database and fill them by the plan.

    Raises:
        SandboxError: the database is not empty.
    """
    return load_chunks(url, generate(plan), progress)


@dataclass(slots=True)
class _Outbox:
    """Rows of one table that have been made but not yet written by the messenger."""

    table: str
    waiting: list[pl.DataFrame] = field(default_factory=list)

    def put(self, rows: pl.DataFrame) -> None:
        self.waiting.append(rows)

    def take(self, before: int) -> Chunk:
        """What has arrived by then, in that order."""
        rows = pl.concat(self.waiting).sort("arrived", maintain_order=True)
        arrived = int(rows["arrived"].search_sorted(before))
        self.waiting = [rows[arrived:]]
        return Chunk(self.table, rows[:arrived].drop("arrived"))


def _days(plan: TrafficPlan, world: World) -> Iterator[Chunk]:
    texts = phrases(plan.seed)
    messages = _Outbox("messages")
    receipts = _Outbox("message_read_receipts")
    events = _Outbox("analytics_events")
    for days in _batches(_messages_per_day(plan, world.start)):
        begin = world.start + days.first * DAY
        end = begin + len(days.messages) * DAY
        chance = partial(stream, plan.seed, day=days.first)
        talk = talk_of_days(chance("talk"), world, texts, begin=begin, per_day=days.messages)
        read = receipts_of(chance("receipts"), world, talk)
        messages.put(talk.frame(world, texts))
        receipts.put(read)
        events.put(events_of(chance("events"), world, talk, read, begin=begin, end=end))
        for outbox in (messages, receipts, events):
            yield outbox.take(before=end)


@dataclass(frozen=True, slots=True)
class _Days:
    """Consecutive days made in one go: the first one's number and the messages of each."""

    first: int
    messages: Ints


def _batches(per_day: Ints) -> Iterator[_Days]:
    """Days together until they are worth the fixed cost of making a batch."""
    first, ends = 0, np.cumsum(per_day)
    while first < len(per_day):
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + _WORTHWHILE))
        yield _Days(first, per_day[first : last + 1])
        first = last + 1


def _messages_per_day(plan: TrafficPlan, start: int) -> Ints:
    """Growing, quieter at weekends, with some noise; sums to the plan's messages exactly."""
    days = np.arange(plan.days)
    weekday = ((start - _MONDAY) // DAY + days) % 7
    growth = np.linspace(0.7, 1.3, plan.days)
    noise = stream(plan.seed, "days").lognormal(0.0, 0.1, plan.days)
    share = np.cumsum(_WEEKDAYS[weekday] * growth * noise)
    ends = np.round(share / share[-1] * plan.messages).astype(np.int64)
    return np.asarray(np.diff(ends, prepend=0))
