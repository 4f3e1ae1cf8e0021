"""The change log: what a batch is told, and every way in which the log stops being complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from etl.feed.changes import TableChanges
from olap.manifest import Mode
from tests.feed.follower import Follower, keys, told
from tests.world import World, uuid


@pytest.fixture
def follower(new_follower: Callable[[Mode], Follower]) -> Follower:
    """Reads the change log of a new database."""
    return new_follower(Mode.LOG)


@pytest.fixture
def world(follower: Follower) -> Iterator[World]:
    """Writes to the messenger."""
    with World(follower.url) as world:
        yield world


def logged(world: World) -> int:
    """How many rows the log has."""
    row = world.connection.execute("select count(*) from analytics_feed.log").fetchone()
    assert row is not None
    return int(row[0])


def test_a_batch_is_told_what_changed_since_the_last(follower: Follower, world: World) -> None:
    """Keys, which of them are new, and how many rows were added; then they are forgotten."""
    world.message(1)
    world.message(2)
    assert told(follower.read()) == TableChanges(
        columns=("id",), keys=keys(1, 2), inserted=keys(1, 2), added_rows=2
    )
    world.message(1, content="edited")
    world.execute("delete from messages where id = %s", uuid(2))
    world.execute("update messages set id = %s where id = %s", uuid(4), uuid(1))
    world.message(3)
    world.message(3, content="edited")
    world.message(5)
    world.execute("delete from messages where id = %s", uuid(5))
    world.receipt(3)
    reading = follower.read()
    assert told(reading) == TableChanges(
        columns=("id",), keys=keys(1, 2, 3, 4, 5), inserted=keys(3, 4), passing=keys(5)
    )
    assert told(reading, "message_read_receipts").keys == {(str(uuid(3)), "2")}
    assert not told(follower.read()).keys
    assert logged(world) == 0


def test_an_open_transaction_is_read_when_it_has_committed(
    follower: Follower, world: World
) -> None:
    """Its rows are in no batch before its commit, and in the first one after it, counted once."""
    with World(follower.url) as late:
        late.connection.execute("begin")
        late.message(1)
        world.message(2)
        assert told(follower.read()).keys == keys(2)
        world.message(3)
        again = told(follower.read())
        # The open transaction keeps what is later in the log.
        assert (again.keys, again.added_rows) == (keys(2, 3), 1)
        late.connection.execute("commit")
    last = told(follower.read())
    assert (last.keys, last.added_rows) == (keys(1, 2, 3), 1)
    assert not told(follower.read()).keys


def test_a_truncated_table_is_told_alone(follower: Follower, world: World) -> None:
    """TRUNCATE marks its table; the others are read by keys."""
    world.message(1)
    world.execute("truncate message_read_receipts")
    reading = follower.read()
    assert told(reading, "message_read_receipts").is_truncated
    assert told(reading).keys == keys(1)


@pytest.mark.parametrize(
    ("statements", "reasons"),
    [
        (
            ("alter table messages disable trigger analytics_feed_update",),
            ["messages lacks triggers of the log, or they are disabled"] * 2,
        ),
        (
            (
                "alter table messages disable trigger analytics_feed_insert",
                "insert into messages (id, conversation_id)"
                " values (gen_random_uuid(), gen_random_uuid())",
                "alter table messages enable always trigger analytics_feed_insert",
            ),
            ["its triggers are new", None],
        ),
        (
            ("alter table messages enable trigger analytics_feed_delete",),
            ["messages lacks triggers of the log, or they are disabled"] * 2,
        ),
    ],
)
def test_a_table_whose_triggers_were_off_is_scanned(
    follower: Follower, world: World, statements: tuple[str, ...], reasons: list[str | None]
) -> None:
    """While they are off, and once after, the table is not told; the others are."""
    for statement in statements:
        world.execute(statement)
    world.receipt(1)
    for reason in reasons:
        reading = follower.read()
        assert reading.uncovered == ({} if reason is None else {"messages": reason})
        assert reading.changes is not None
        assert ("messages" in reading.changes) == (reason is None)
    world.receipt(2)
    assert told(follower.read(), "message_read_receipts").added_rows == 1


def test_a_log_that_was_truncated_makes_a_scan(follower: Follower, world: World) -> None:
    """Nothing can be missing unnoticed when somebody empties the log; the next batch uses it."""
    world.message(1)
    world.execute("truncate analytics_feed.log")
    reading = follower.read()
    assert (reading.mode, reading.reason) == (
        Mode.SCAN, "no table is followed: its triggers are new"
    )  # fmt: skip
    world.message(2)
    assert told(follower.read()).keys == keys(2)


def test_a_restored_data_dir_makes_a_scan(follower: Follower, world: World) -> None:
    """What was forgotten since the state of a backup is missing in the log."""
    world.message(1)
    backup = follower.manifest
    follower.read()
    world.message(2)
    follower.read()
    follower.manifest = backup
    reading = follower.read()
    assert (reading.mode, reading.reason) == (
        Mode.SCAN, "the change log was shortened by somebody else"
    )  # fmt: skip
    world.message(3)
    assert told(follower.read()).keys == keys(3)


def test_too_many_changes_make_a_scan(
    follower: Follower, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit the log is not read, and the batch after it starts behind them."""
    monkeypatch.setattr("etl.feed.reading.CHANGES_MAX", 50)
    world.execute(
        "insert into messages (id, conversation_id)"
        " select gen_random_uuid(), gen_random_uuid() from generate_series(1, 60)"
    )
    reading = follower.read()
    assert (reading.mode, reading.reason) == (Mode.SCAN, "more than 50 changes are in the log")
    world.message(1)
    assert told(follower.read()).keys == keys(1)


def test_many_rows_are_forgotten_in_steps(
    follower: Follower, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch forgets a bounded number of rows at once, and the next ones the rest."""
    monkeypatch.setattr("etl.feed.log.FORGOTTEN_ROWS", 10)
    monkeypatch.setattr("etl.feed.log.FORGETS_MAX", 2)
    world.execute(
        "insert into messages (id, conversation_id)"
        " select gen_random_uuid(), gen_random_uuid() from generate_series(1, 30)"
    )
    left = []
    for _ in range(3):
        follower.read()
        left.append(logged(world))
    assert left == [10, 0, 0]


def test_no_text_is_in_the_log(follower: Follower, world: World) -> None:
    """Texts of any length, inserted, changed and deleted, leave no byte in it."""
    mark = "MARKED"
    for number, length in enumerate([1, 300, 9_000]):
        world.message(number, content=mark * length)
        world.message(number, content=mark + "!" * length)
        world.execute("update messages set id = %s where id = %s", uuid(number + 9), uuid(number))
        world.execute("delete from messages where id = %s", uuid(number + 9))
    world.user(1, username=mark)
    world.conversation(1, title=mark)
    rows = world.connection.execute("select log::text from analytics_feed.log as log").fetchall()
    assert len(rows) == 17
    assert [row for (row,) in rows if mark in row] == []
