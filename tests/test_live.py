"""Live traffic: every kind of change happens, repeatably, and never after its second."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from etl.sandbox.live import DEEDS, LiveTraffic
from etl.sandbox.load import TABLES
from etl.sandbox.postgres import create_database, drop_database
from etl.sandbox.traffic import TrafficPlan, load

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICKS = 60
SECOND = timedelta(seconds=1)
QUOTED = f"'{UNTIL.isoformat()}'"

TIMES = (
    ("users", "created_at"),
    ("users", "deleted_at"),
    ("conversations", "created_at"),
    ("conversation_participants", "joined_at"),
    ("conversation_participants", "left_at"),
    ("messages", "created_at"),
    ("messages", "updated_at"),
    ("messages", "deleted_at"),
    ("message_read_receipts", "read_at"),
    ("analytics_events", "created_at"),
)


@pytest.fixture(scope="module")
def filled_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with a small messenger's traffic up to UNTIL, to be copied."""
    name = f"test_{os.getpid()}_live"
    url = create_database(postgres_url, name)
    try:
        load(url, TrafficPlan(until=UNTIL, messages=1_000, days=30))
        yield name
    finally:
        drop_database(postgres_url, name)


@pytest.fixture
def new_messenger(postgres_url: str, filled_template: str) -> Iterator[Callable[[], str]]:
    """Make any number of small, equal messengers; returns each one's URL."""
    names: list[str] = []

    def make() -> str:
        names.append(f"{filled_template}_{len(names)}")
        return create_database(postgres_url, names[-1], template=filled_template)

    yield make
    for name in names:
        drop_database(postgres_url, name)


@pytest.fixture
def messenger(new_messenger: Callable[[], str]) -> str:
    """A small messenger, filled up to UNTIL."""
    return new_messenger()


def tick_on(url: str, *, seed: int = 7, ticks: int = TICKS, rate: float = 5) -> Counter[str]:
    """Let some seconds pass after UNTIL; returns all deeds."""
    traffic = LiveTraffic(url, seed=seed, rate=rate)
    return sum((traffic.tick(UNTIL + n * SECOND) for n in range(1, ticks + 1)), Counter[str]())


def rows(url: str, table: str) -> list[tuple[object, ...]]:
    """All rows of a table, in the order of its first columns."""
    with psycopg.connect(url) as connection:
        return connection.execute(f"select * from {table} order by 1, 2".encode()).fetchall()


def column(url: str, query: str) -> list[object]:
    """The first column of a query."""
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(query.encode()).fetchall()]


def since(url: str, table: str, moment: str) -> int:
    """How many rows of a table have this time at or after UNTIL."""
    return len(column(url, f"select 1 from {table} where {moment} >= {QUOTED}"))


def test_every_deed_happens_and_leaves_its_trace(messenger: str) -> None:
    """Each kind of deed happens within a minute, and the database holds exactly these changes."""
    before = {table: rows(messenger, table) for table in TABLES}
    done = tick_on(messenger)
    after = {table: rows(messenger, table) for table in TABLES}
    assert [deed for deed in DEEDS if not done[deed]] == []
    grown = {table: len(after[table]) - len(before[table]) for table in TABLES}

    assert grown["users"] == done["register_user"]
    assert since(messenger, "users", "deleted_at") == done["delete_user"]
    renamed = changed(before["users"], after["users"], key=(0,), value=1)
    assert 0 < renamed <= done["rename_user"]

    assert grown["conversations"] == done["found_conversation"]
    retitled = changed(before["conversations"], after["conversations"], key=(0,), value=2)
    assert 0 < retitled <= done["rename_conversation"]

    assert grown["message_read_receipts"] == done["read"] + done["read_late"]
    assert since(messenger, "messages", "deleted_at") == done["delete"]
    assert 0 < since(messenger, "messages", "updated_at") <= done["edit"]
    silent = "select 1 from messages where updated_at is null and content like '%!'"
    assert len(column(messenger, silent)) >= done["edit_silently"] > 0

    old = {row[0] for row in before["messages"]}
    imported = [row for row in after["messages"] if row[0] not in old and row[5] < UNTIL]  # type: ignore[operator]
    assert len(imported) >= 3 * done["import_old"]
    written = since(messenger, "messages", "created_at")
    assert written == done["send"] + 3 * done["send_together"]
    assert grown["messages"] == written + len(imported)


def test_members_come_go_and_come_back(messenger: str) -> None:
    """Joins, leaves, returns and changes of role all show in the memberships."""
    before = rows(messenger, "conversation_participants")
    done = tick_on(messenger)
    after = rows(messenger, "conversation_participants")
    old, new = ({row[:2]: row[2:] for row in table} for table in (before, after))
    founded = set(column(messenger, "select id from conversations where created_at >= " + QUOTED))
    joined = [key for key in new if key not in old and key[0] not in founded]
    assert 0 < len(joined) <= done["join"]  # the others joined what was founded meanwhile
    told = "select 1 from analytics_events where event_type = 'conversation.joined'"
    assert len(column(messenger, f"{told} and created_at >= {QUOTED}")) == (
        done["join"] + done["rejoin"]
    )
    assert any(old[key][2] is None and new[key][2] is not None for key in old)  # left
    assert any(old[key][2] is not None and new[key][2] is None for key in old)  # came back
    assert any(old[key][0] != new[key][0] for key in old)  # another role
    assert old.keys() <= new.keys()


def test_late_readers_and_equal_times(messenger: str) -> None:
    """Receipts come for messages days old, and some new messages share their microsecond."""
    done = tick_on(messenger)
    late = """
        select 1 from message_read_receipts r join messages m on m.id = r.message_id
        where r.read_at >= {} and m.created_at < r.read_at - interval '1 day'
    """
    assert len(column(messenger, late.format(QUOTED))) > 0
    shared = "select 1 from messages where created_at >= {} group by created_at having count(*) = 3"
    assert len(column(messenger, shared.format(QUOTED))) == done["send_together"]


def test_nothing_happens_at_or_after_now(messenger: str) -> None:
    """No time that a tick writes is as late as the tick's own."""
    tick_on(messenger, ticks=20)
    end = UNTIL + 20 * SECOND
    for table, moment in TIMES:
        [latest] = column(messenger, f"select max({moment}) from {table}")
        assert latest is None or latest < end, (table, moment)  # type: ignore[operator]


def test_references_resolve(messenger: str) -> None:
    """Senders, readers and members exist, and receipts and memberships point at something."""
    tick_on(messenger)
    for query in (
        "select 1 from messages m left join users u on u.id = m.sender_id"
        " where u.id is null and m.sender_id is not null",
        "select 1 from messages m left join conversations c on c.id = m.conversation_id"
        " where c.id is null or c.created_at > m.created_at",
        "select 1 from message_read_receipts r left join messages m on m.id = r.message_id"
        " left join users u on u.id = r.user_id where m.id is null or u.id is null",
        "select 1 from conversation_participants p"
        " left join conversations c on c.id = p.conversation_id"
        " left join users u on u.id = p.user_id where c.id is null or u.id is null",
    ):
        assert column(messenger, query) == [], query


def test_same_seed_same_traffic(messenger: str, new_messenger: Callable[[], str]) -> None:
    """On equal databases the same seed leaves equal tables, and another seed does not."""
    twin, other = new_messenger(), new_messenger()
    done = tick_on(messenger, ticks=15)
    assert tick_on(twin, ticks=15) == done
    tick_on(other, ticks=15, seed=8)
    for table in TABLES:
        assert rows(twin, table) == rows(messenger, table), table
    assert rows(other, "messages") != rows(messenger, "messages")


def test_a_messenger_without_anybody_starts_with_registrations(database: str) -> None:
    """On empty tables a tick fails at nothing, and the first people register."""
    done = tick_on(database, ticks=30)
    assert done["register_user"] == len(rows(database, "users")) > 0


def test_run_ticks_until_it_is_stopped(messenger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` takes the time from its clock, reports each tick, and ends once it is told to."""
    monkeypatch.setattr("etl.sandbox.live._TICK_SECONDS", 0)
    stop, ticks = threading.Event(), list[Counter[str]]()
    hours = (UNTIL + timedelta(hours=n) for n in range(1, 100))

    def after_tick(happened: Counter[str]) -> None:
        ticks.append(happened)
        if len(ticks) == 3:
            stop.set()

    LiveTraffic(messenger, clock=lambda: next(hours)).run(stop, after_tick)
    assert len(ticks) == 3
    assert all(happened["send"] > 0 for happened in ticks)
    third = "select 1 from messages where created_at >= {} + interval '3 hours - 1 second'"
    assert len(column(messenger, third.format(QUOTED + "::timestamptz"))) >= ticks[2]["send"]


def changed(
    before: list[tuple[object, ...]],
    after: list[tuple[object, ...]],
    *,
    key: tuple[int, ...],
    value: int,
) -> int:
    """How many rows that were there before have another value in one column."""
    new = {tuple(row[k] for k in key): row[value] for row in after}
    return sum(new[tuple(row[k] for k in key)] != row[value] for row in before)
