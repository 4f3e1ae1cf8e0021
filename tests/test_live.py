"""Live traffic: every kind of change happens, reproducibly, and within its second."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest

from api.events.event import Event as ApiEvent
from etl.sandbox.action_context import Event
from etl.sandbox.live import ACTIONS, LiveTraffic
from etl.sandbox.load import TABLES
from etl.sandbox.postgres import create_database, drop_database
from etl.sandbox.traffic import TrafficPlan, load

pytestmark = pytest.mark.slow

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
    """The name of a database with the traffic of a small messenger up to UNTIL, to copy."""
    name = f"test_{os.getpid()}_live"
    url = create_database(postgres_url, name)
    try:
        load(url, TrafficPlan(until=UNTIL, messages=1_000, days=30))
        yield name
    finally:
        drop_database(postgres_url, name)


@pytest.fixture
def new_messenger(postgres_url: str, filled_template: str) -> Iterator[Callable[[], str]]:
    """A function that creates a small messenger, equal to the others, and returns its URL."""
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
    """Run some seconds after UNTIL; returns the number of each action."""
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


def test_every_action_happens_and_changes_its_rows(messenger: str) -> None:
    """Each action happens within a minute, and the database has exactly these changes."""
    before = {table: rows(messenger, table) for table in TABLES}
    done = tick_on(messenger)
    after = {table: rows(messenger, table) for table in TABLES}
    assert [action for action in ACTIONS if not done[action]] == []
    grown = {table: len(after[table]) - len(before[table]) for table in TABLES}

    assert grown["users"] == done["register_user"]
    assert since(messenger, "users", "deleted_at") == done["delete_user"]
    renamed = changed(before["users"], after["users"], key=(0,), value=1)
    assert 0 < renamed <= done["rename_user"]

    assert grown["conversations"] == done["create_conversation"]
    retitled = changed(before["conversations"], after["conversations"], key=(0,), value=2)
    assert 0 < retitled <= done["rename_conversation"]

    assert grown["message_read_receipts"] == done["read_message"] + done["read_old_message"]
    assert since(messenger, "messages", "deleted_at") == done["delete_message"]
    assert 0 < since(messenger, "messages", "updated_at") <= done["edit_message"]
    silent = "select 1 from messages where updated_at is null and content like '%!'"
    assert len(column(messenger, silent)) >= done["edit_without_timestamp"] > 0

    old = {row[0] for row in before["messages"]}
    imported = [row for row in after["messages"] if row[0] not in old and row[5] < UNTIL]  # type: ignore[operator]
    assert len(imported) >= 3 * done["import_old_messages"]
    written = since(messenger, "messages", "created_at")
    assert written == done["send_message"] + 3 * done["send_simultaneously"]
    assert grown["messages"] == written + len(imported)


def test_members_join_leave_and_rejoin(messenger: str) -> None:
    """Joining, leaving, rejoining and changes of role are in the memberships."""
    before = rows(messenger, "conversation_participants")
    done = tick_on(messenger)
    after = rows(messenger, "conversation_participants")
    old, new = ({row[:2]: row[2:] for row in table} for table in (before, after))
    created = set(column(messenger, "select id from conversations where created_at >= " + QUOTED))
    joined = [key for key in new if key not in old and key[0] not in created]
    assert 0 < len(joined) <= done["join_conversation"]  # the others joined new conversations
    events = "select 1 from analytics_events where event_type = 'conversation.joined'"
    assert len(column(messenger, f"{events} and created_at >= {QUOTED}")) == (
        done["join_conversation"] + done["rejoin_conversation"]
    )
    assert any(old[key][2] is None and new[key][2] is not None for key in old)  # left
    assert any(old[key][2] is not None and new[key][2] is None for key in old)  # rejoined
    assert any(old[key][0] != new[key][0] for key in old)  # another role
    assert old.keys() <= new.keys()


def test_old_messages_are_read_and_times_are_shared(messenger: str) -> None:
    """Some receipts are for messages days old, and some messages share a microsecond."""
    done = tick_on(messenger)
    late = """
        select 1 from message_read_receipts r join messages m on m.id = r.message_id
        where r.read_at >= {} and m.created_at < r.read_at - interval '1 day'
    """
    assert len(column(messenger, late.format(QUOTED))) > 0
    shared = "select 1 from messages where created_at >= {} group by created_at having count(*) = 3"
    assert len(column(messenger, shared.format(QUOTED))) == done["send_simultaneously"]


def test_every_time_is_before_the_tick(messenger: str) -> None:
    """Every time that a tick writes is before the time of the tick."""
    tick_on(messenger, ticks=20)
    end = UNTIL + 20 * SECOND
    for table, moment in TIMES:
        [latest] = column(messenger, f"select max({moment}) from {table}")
        assert latest is None or latest < end, (table, moment)  # type: ignore[operator]


def test_references_resolve(messenger: str) -> None:
    """Senders, readers and members exist, and so do their messages and conversations."""
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


def test_the_same_seed_gives_the_same_traffic(
    messenger: str, new_messenger: Callable[[], str]
) -> None:
    """On equal databases equal seeds give equal tables, and another seed does not."""
    twin, other = new_messenger(), new_messenger()
    done = tick_on(messenger, ticks=15)
    assert tick_on(twin, ticks=15) == done
    tick_on(other, ticks=15, seed=8)
    for table in TABLES:
        assert rows(twin, table) == rows(messenger, table), table
    assert rows(other, "messages") != rows(messenger, "messages")


def test_posted_events_are_those_that_would_have_been_written(
    messenger: str, new_messenger: Callable[[], str]
) -> None:
    """With `post` the same events are handed over, in the form of the API, and not written."""
    written_on, posted = new_messenger(), list[Event]()
    tick_on(written_on, ticks=15)
    before = rows(messenger, "analytics_events")
    traffic = LiveTraffic(messenger, rate=5, post=posted.extend)
    for number in range(1, 16):
        traffic.tick(UNTIL + number * SECOND)
    assert rows(messenger, "analytics_events") == before
    written = column(written_on, f"select id from analytics_events where created_at >= {QUOTED}")
    assert sorted(one["id"] for one in posted) == sorted(map(str, written))
    assert len(posted) > 0
    assert msgspec.json.decode(msgspec.json.encode(posted), type=list[ApiEvent])
    assert rows(messenger, "messages") == rows(written_on, "messages")


def test_an_empty_messenger_starts_with_registrations(database: str) -> None:
    """On empty tables a tick does not fail, and the first users register."""
    done = tick_on(database, ticks=30)
    assert done["register_user"] == len(rows(database, "users")) > 0


def test_run_ticks_until_stop_is_set(messenger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` takes the time from its clock, reports each tick, and ends when `stop` is set."""
    monkeypatch.setattr("etl.sandbox.live._TICK_SECONDS", 0)
    stop, ticks = threading.Event(), list[Counter[str]]()
    hours = (UNTIL + timedelta(hours=n) for n in range(1, 100))

    def after_tick(done: Counter[str]) -> None:
        ticks.append(done)
        if len(ticks) == 3:
            stop.set()

    LiveTraffic(messenger, clock=lambda: next(hours)).run(stop, after_tick)
    assert len(ticks) == 3
    assert all(done["send_message"] > 0 for done in ticks)
    third = "select 1 from messages where created_at >= {} + interval '3 hours - 1 second'"
    found = column(messenger, third.format(f"{QUOTED}::timestamptz"))
    assert len(found) >= ticks[2]["send_message"]


def changed(
    before: list[tuple[object, ...]],
    after: list[tuple[object, ...]],
    *,
    key: tuple[int, ...],
    value: int,
) -> int:
    """How many of the rows of before have another value in one column."""
    new = {tuple(row[k] for k in key): row[value] for row in after}
    return sum(new[tuple(row[k] for k in key)] != row[value] for row in before)
