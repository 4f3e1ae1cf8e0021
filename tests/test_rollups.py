"""Every rollup equals a naive count in Python over rows read from PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from etl.sandbox import traffic
from tests import contents
from tests.fix_pipeline import TIME_ZERO, Pipeline
from tests.world import World, at

Row = tuple[Any, ...]
QUARTER = timedelta(minutes=15)


def rows(source: dict[str, contents.Rows], table: str) -> Iterator[Row]:
    """The rows of a table, duplicates included."""
    return source[table].elements()


def living_messages(source: dict[str, contents.Rows]) -> Iterator[Row]:
    """Messages that are not deleted, as (time, conversation, sender, type, length)."""
    return (row[:5] for row in rows(source, "messages") if row[6] is None)


def grouped(keyed: Iterable[tuple[Row, Row]]) -> dict[Row, list[Row]]:
    """The values of each key."""
    groups: dict[Row, list[Row]] = {}
    for key, value in keyed:
        groups.setdefault(key, []).append(value)
    return groups


def quarter(moment: datetime) -> int:
    """The number of the quarter-hour of its day, 0 to 95."""
    return moment.hour * 4 + moment.minute // 15


def mask(moments: Iterable[datetime]) -> tuple[int, int]:
    """The quarter-hours of these moments as two masks, before noon and from noon."""
    numbers = {quarter(moment) for moment in moments}
    low = sum(1 << number for number in numbers if number < 48)
    return low, sum(1 << (number - 48) for number in numbers if number >= 48)


def measured(group: list[Row]) -> Row:
    """length_sum, measured_count, first_at, last_at of messages."""
    lengths = [row[4] for row in group if row[4] is not None]
    times = [row[0] for row in group]
    return sum(lengths), len(lengths), min(times), max(times)


def typed(group: list[Row], *types: str) -> Row:
    """How many messages have each of these types."""
    return tuple(sum(row[3] == name for row in group) for name in types)


def message_days(source: dict[str, contents.Rows]) -> contents.Rows:
    """By day, conversation, sender and whether it is a system message."""
    groups = grouped(
        ((row[0].date(), row[1], row[2], row[3] == "system"), row)
        for row in living_messages(source)
    )
    return Counter(
        (*key, len(group), *typed(group, "text", "image", "file"), *measured(group))
        for key, group in groups.items()
    )


def message_quarter_hours(source: dict[str, contents.Rows]) -> contents.Rows:
    """By quarter-hour."""
    counts = Counter((_begin(row[0]),) for row in living_messages(source))
    return Counter((*key, count) for key, count in counts.items())


def user_days(source: dict[str, contents.Rows]) -> contents.Rows:
    """By day and user: counts and masks of messages and reads."""
    sent = grouped(
        ((row[0].date(), row[2]), row[:1])
        for row in living_messages(source)
        if row[2] is not None and row[3] != "system"
    )
    read = grouped(((row[0].date(), row[2]), row[:1]) for row in rows(source, "read_receipts"))
    found: contents.Rows = Counter()
    for key in sent.keys() | read.keys():
        mine, seen = sent.get(key, []), read.get(key, [])
        masks = (*mask(t for (t,) in mine), *mask(t for (t,) in seen))
        found[(*key, len(mine), len(seen), *masks)] += 1
    return found


def read_days(source: dict[str, contents.Rows]) -> contents.Rows:
    """By day, conversation and reader."""
    groups = grouped(
        ((row[0].date(), row[1], row[2]), row[:1]) for row in rows(source, "read_receipts")
    )
    return Counter(
        (*key, len(group), min(group)[0], max(group)[0]) for key, group in groups.items()
    )


def event_days(source: dict[str, contents.Rows]) -> contents.Rows:
    """By day, type, conversation and user."""
    counts = Counter((row[0].date(), *row[1:]) for row in rows(source, "events"))
    return Counter((*key, count) for key, count in counts.items())


def event_quarter_hours(source: dict[str, contents.Rows]) -> contents.Rows:
    """By quarter-hour and type."""
    counts = Counter((_begin(row[0]), row[1]) for row in rows(source, "events"))
    return Counter((*key, count) for key, count in counts.items())


NAIVE: dict[str, Callable[[dict[str, contents.Rows]], contents.Rows]] = {
    "message_days": message_days,
    "message_quarter_hours": message_quarter_hours,
    "user_days": user_days,
    "read_days": read_days,
    "event_days": event_days,
    "event_quarter_hours": event_quarter_hours,
}


def _begin(moment: datetime) -> datetime:
    """The start of the quarter-hour of a moment."""
    return moment - (moment - datetime(2000, 1, 1)) % QUARTER


def assert_rollups(pipeline: Pipeline) -> dict[str, contents.Rows]:
    """Every rollup of the generation equals the naive count."""
    found = contents.of_core(pipeline.published)
    source = contents.of_source(pipeline.url)
    expected = {name: naive(source) for name, naive in NAIVE.items()}
    assert contents.differences(found, expected) == {}
    return expected


def test_rollups_of_generated_traffic_equal_a_naive_count(
    empty_database: str, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """Each of the six rollups equals a count in Python, row for row, and none is empty."""
    traffic.load(empty_database, traffic.TrafficPlan(messages=5_000, days=20, until=TIME_ZERO))
    pipeline = new_pipeline(empty_database)
    pipeline.cycle()
    expected = assert_rollups(pipeline)
    assert all(len(bag) > 100 for bag in expected.values())
    masks = [row[4:] for row in expected["user_days"]]
    assert all(any(row[position] for row in masks) for position in range(4))


@pytest.mark.parametrize("minutes", [0, 14, 15, 719, 720, 1439])
def test_rows_at_an_edge_count_on_their_own_side(minutes: int, pipeline: Pipeline) -> None:
    """Messages and receipts on both sides of a quarter-hour, noon or midnight stay apart."""
    edge = at(hours=-12, minutes=minutes)
    with World(pipeline.url) as world:
        world.message(1, created_at=edge)
        world.message(2, created_at=edge - timedelta(microseconds=1))
        world.receipt(1, user=1, read_at=edge)
        world.receipt(2, user=1, read_at=edge - timedelta(microseconds=1))
        pipeline.cycle()
    assert_rollups(pipeline)


def test_deleted_system_and_senderless_messages_count_where_they_should(
    pipeline: Pipeline,
) -> None:
    """Deleted messages count nowhere, system messages in totals only, others without a user."""
    with World(pipeline.url) as world:
        world.message(1, deleted_at=at(days=1))
        world.message(2, message_type="system")
        world.message(3, message_type="system", sender_id=None, content=None)
        world.message(4, sender_id=None, message_type="sticker", content="")
        world.message(5)
        pipeline.cycle()
    expected = assert_rollups(pipeline)
    assert sum(row[4] for row in expected["message_days"]) == 4
    assert [row[2] for row in expected["user_days"]] == [1]
