"""The history of a messenger, generated from a seed: equal plans give equal rows, byte for byte.

The history is generated a day at a time (several days at a time when they are small), so fifty
million messages need the memory of one day. Rows come in the order in which a messenger would have
written them: a receipt that is read three days later is three days further down, and a backdated
import is where it arrived, not where its times would put it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import polars as pl

from etl.sandbox.events import generate_events
from etl.sandbox.load import Counts, Progress, TableRows, load_rows
from etl.sandbox.messages import generate_messages
from etl.sandbox.population import Population, generate_population
from etl.sandbox.read_receipts import generate_read_receipts
from etl.sandbox.rng import DAY, Ints, microseconds, random_stream
from etl.sandbox.texts import message_texts

_WEEKDAYS = np.array([1.05, 1.1, 1.1, 1.05, 0.95, 0.6, 0.55])  # weights, from Monday
_MONDAY = microseconds(datetime(2024, 1, 1, tzinfo=UTC))
_MIN_GROUP = 25_000  # messages generated at a time, to spread the fixed cost of a group


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPlan:
    """What to generate.

    Attributes:
        until: every time is before this; an aware datetime, usually now.
        messages: exact number of messages; 1,000 to 50 million are useful.
        days: length of the history, in units of 24 hours before `until`.
        seed: another seed generates another messenger.
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
        return max(12, self._scaled(2_000))

    @property
    def conversations(self) -> int:
        """Number of conversations: 1,500 for 100,000 messages."""
        return max(9, self._scaled(1_500))

    def _scaled(self, count: int) -> int:
        """`count` is for 100,000 messages; the result grows more slowly than the messages do."""
        return round(count * math.pow(self.messages / 100_000, 0.82))


def generate(plan: TrafficPlan) -> Iterator[TableRows]:
    """The rows of a plan: the three small tables first, then the others day by day."""
    population = generate_population(
        seed=plan.seed,
        users=plan.users,
        conversations=plan.conversations,
        start=microseconds(plan.start),
        until=microseconds(plan.until),
    )
    yield TableRows("users", population.users.rows())
    yield TableRows("conversations", population.conversations.rows())
    yield TableRows("conversation_participants", population.participant_rows())
    yield from _facts(plan, population)


def load(url: str, plan: TrafficPlan, progress: Progress | None = None) -> Counts:
    """Create the messenger's tables in an empty database and fill them by the plan.

    Raises:
        SandboxError: the database is not empty.
    """
    return load_rows(url, generate(plan), progress)


@dataclass(slots=True)
class _Pending:
    """Generated rows of one table, to be returned in the order of arrival."""

    table: str
    waiting: list[pl.DataFrame] = field(default_factory=list)

    def put(self, rows: pl.DataFrame) -> None:
        self.waiting.append(rows)

    def take(self, before: int) -> TableRows:
        """Remove and return the rows that arrive before this moment."""
        rows = pl.concat(self.waiting).sort("arrived", maintain_order=True)
        arrived = int(rows["arrived"].search_sorted(before))
        self.waiting = [rows[arrived:]]
        return TableRows(self.table, rows[:arrived].drop("arrived"))


def _facts(plan: TrafficPlan, population: Population) -> Iterator[TableRows]:
    texts = message_texts(plan.seed)
    pending = messages, receipts, events = (
        _Pending("messages"),
        _Pending("message_read_receipts"),
        _Pending("analytics_events"),
    )
    for first, per_day in _day_groups(_messages_per_day(plan, population.start)):
        begin = population.start + first * DAY
        end = begin + len(per_day) * DAY
        rng = partial(random_stream, plan.seed, day=first)
        written = generate_messages(rng("talk"), population, texts, begin=begin, per_day=per_day)
        read = generate_read_receipts(rng("receipts"), population, written)
        messages.put(written.rows(population, texts))
        receipts.put(read)
        events.put(generate_events(rng("events"), population, written, read, begin=begin, end=end))
        for table in pending:
            yield table.take(before=end)


def _day_groups(per_day: Ints) -> Iterator[tuple[int, Ints]]:
    """Consecutive days to generate together: the first day's number and each day's messages."""
    first, ends = 0, np.cumsum(per_day)
    while first < len(per_day):
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + _MIN_GROUP))
        yield first, per_day[first : last + 1]
        first = last + 1


def _messages_per_day(plan: TrafficPlan, start: int) -> Ints:
    """Growing, lower at weekends, with noise; the sum is exactly the plan's messages."""
    days = np.arange(plan.days)
    weekday = ((start - _MONDAY) // DAY + days) % 7
    growth = np.linspace(0.7, 1.3, plan.days)
    noise = random_stream(plan.seed, "days").lognormal(0.0, 0.1, plan.days)
    share = np.cumsum(_WEEKDAYS[weekday] * growth * noise)
    ends = np.round(share / share[-1] * plan.messages).astype(np.int64)
    return np.asarray(np.diff(ends, prepend=0))
