"""Rollups after any change equal a naive count and a rebuild, and little is derived again.

The messages are at the edges of days, and a day apart, where an outcome depends on another day than
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

import etl.backfill
from etl.erase import erase
from olap import sqlfiles
from olap.days import DayRange
from olap.secret import Secret
from tests import contents, naive_rollups
from tests.fix_pipeline import Pipeline
from tests.source_schemas import is_pseudonym
from tests.world import World, at, uuid

ANN, BEN, BOT, UNKNOWN, READER = 1, 2, 3, 4, 5
BUSY, EXACTLY_A_DAY, ALMOST_A_DAY = 1, 2, 3  # the conversations; the last has no row
MIDNIGHT, NOON, EVENING = 0, 1, 2
TICK = timedelta(microseconds=1)
DAYS = range(-3, 2)
# Of every sender: next to himself, to somebody else, to a bot, and over an edge of days.
SENDERS = [ANN, ANN, BEN, BOT, UNKNOWN, BEN, BEN, ANN, BOT, ANN, UNKNOWN, UNKNOWN, BEN, BOT, ANN]


def number(day: int, moment: int = NOON, room: int = BUSY) -> int:
    """The number of a message."""
    return 100 * room + 10 * (day - DAYS[0]) + moment


def sent_at(day: int, moment: int = NOON) -> datetime:
    """The first, the middle or the last instant of a UTC day."""
    return at(days=day) + (timedelta(hours=-12), timedelta(), timedelta(hours=12) - TICK)[moment]


def fill(world: World) -> None:
    """Write people, a bot, conversations, messages and receipts."""
    for user in (ANN, BEN, BOT, READER):
        world.user(user, is_bot=user == BOT)
    world.conversation(BUSY, type="group")
    world.conversation(EXACTLY_A_DAY, type="direct")
    senders = iter(SENDERS)
    for day in DAYS:
        for moment in (MIDNIGHT, NOON, EVENING):
            values = {"sender_id": next(senders), "created_at": sent_at(day, moment)}
            message(world, number(day, moment), **values)
        for room, later in ((EXACTLY_A_DAY, timedelta()), (ALMOST_A_DAY, -TICK)):
            message(
                world,
                number(day, NOON, room),
                conversation_id=uuid(room),
                sender_id=(ANN, BEN)[day % 2],
                created_at=sent_at(day) + later * (day - DAYS[0]),
            )
            delay = timedelta(days=1) + later
            world.receipt(number(day, NOON, room), READER, read_at=sent_at(day) + delay + later * 9)
        world.receipt(
            number(day, EVENING), READER, read_at=sent_at(day, EVENING) + timedelta(hours=3)
        )
        world.receipt(number(day, EVENING), BOT, read_at=sent_at(day, EVENING) + TICK)
        world.receipt(number(day), ANN, read_at=sent_at(day) + timedelta(hours=1))
    message(world, 90, sender_id=BEN, created_at=sent_at(-1) - TICK, deleted_at=at(days=1))


def message(world: World, number: int, **values: Any) -> None:
    """Write a message of Ben's in the busy conversation."""
    world.message(number, **{"conversation_id": uuid(BUSY), "sender_id": BEN, **values})


@pytest.fixture
def pipeline(pipeline: Pipeline) -> Pipeline:
    """A pipeline that removes all that is gone, without a cache to reach."""
    no_cache = Secret("redis://127.0.0.1:1/0")
    return replace(
        pipeline, settings=replace(pipeline.settings, repair_max_percent=100, redis_url=no_cache)
    )


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """The messenger, loaded by one cycle."""
    with World(pipeline.url) as world:
        fill(world)
        pipeline.cycle()
        yield world


def naive(pipeline: Pipeline) -> dict[str, contents.Rows]:
    """The rollups of what the messenger has now."""
    return naive_rollups.of_source(contents.of_source(pipeline.url))


def assert_exact(pipeline: Pipeline, expected: dict[str, contents.Rows]) -> None:
    """The rollups are the expected ones, in the generation and after a rebuild."""
    assert contents.differences(contents.of_core(pipeline.published), expected) == {}
    pipeline.rebuild()
    assert contents.differences(contents.of_core(pipeline.published), expected) == {}
    assert contents.offences(pipeline.published) == []


OUTCOMES, BY_TYPE = {"message_outcomes"}, {"user_type_days"}
QUARTERS, READS = {"message_quarter_hours"}, {"read_quarter_hours"}
Change = Callable[[World], None]


def sql(statement: str, *parameters: Any) -> Change:
    """A change by a statement."""
    return lambda world: world.execute(statement, *parameters)


# Each with rollups that it has to change.
CHANGES: dict[str, tuple[Change, set[str]]] = {
    "a sender becomes a bot": (
        sql("update users set is_bot = true where id = %s", ANN),
        OUTCOMES | QUARTERS | READS,
    ),
    "a bot becomes a person": (
        sql("update users set is_bot = false where id = %s", BOT),
        OUTCOMES | QUARTERS | READS,
    ),
    "a reader becomes a bot": (
        sql("update users set is_bot = true where id = %s", READER),
        OUTCOMES | READS,
    ),
    "a conversation gets another type": (
        sql("update conversations set type = 'channel' where id = %s", uuid(BUSY)),
        OUTCOMES | QUARTERS | READS | BY_TYPE,
    ),
    "an unknown sender is a bot": (
        lambda world: world.user(UNKNOWN, is_bot=True),
        OUTCOMES | QUARTERS,
    ),
    "an unknown conversation gets its row": (
        lambda world: world.conversation(ALMOST_A_DAY, type="channel"),
        OUTCOMES | QUARTERS | READS | BY_TYPE,
    ),
    "the row of a bot goes": (
        sql("delete from users where id = %s", BOT),
        OUTCOMES | QUARTERS | READS,
    ),
    "the row of a conversation goes": (
        sql("delete from conversations where id = %s", uuid(EXACTLY_A_DAY)),
        OUTCOMES | QUARTERS | READS | BY_TYPE,
    ),
    "a message is deleted": (
        sql("update messages set deleted_at = now() where id = %s", uuid(number(0, MIDNIGHT))),
        OUTCOMES | QUARTERS | BY_TYPE,
    ),
    "a deletion is taken back": (
        sql("update messages set deleted_at = null where id = %s", uuid(90)),
        OUTCOMES | QUARTERS,
    ),
    "a late message before midnight": (
        lambda world: message(world, 91, created_at=sent_at(-1, EVENING) - TICK),
        OUTCOMES | QUARTERS,
    ),
    "a late message after midnight": (
        lambda world: message(world, 91, sender_id=BOT + 90, created_at=sent_at(0, MIDNIGHT)),
        OUTCOMES | QUARTERS,
    ),
    "a late message almost a day after another": (
        lambda world: message(
            world,
            91,
            conversation_id=uuid(EXACTLY_A_DAY),
            sender_id=READER,
            created_at=sent_at(0) - TICK,
        ),
        OUTCOMES,
    ),
    "a message a day earlier": (
        lambda world: message(
            world, 91, conversation_id=uuid(ALMOST_A_DAY), created_at=sent_at(-4) + 9 * TICK
        ),
        OUTCOMES,
    ),
    "an earlier receipt on the day after": (
        lambda world: world.receipt(number(0, EVENING), 6, read_at=sent_at(1, MIDNIGHT)),
        OUTCOMES | READS,
    ),
    "a receipt in time": (
        sql(
            "update message_read_receipts set read_at = read_at - interval '1 microsecond' "
            "where message_id = %s",
            uuid(number(-1, NOON, EXACTLY_A_DAY)),
        ),
        OUTCOMES,
    ),
    "a receipt goes": (
        sql(
            "delete from message_read_receipts where message_id = %s and user_id = %s",
            uuid(number(0, EVENING)),
            READER,
        ),
        OUTCOMES | READS,
    ),
    "a message goes": (
        sql("delete from messages where id = %s", uuid(number(0, EVENING))),
        OUTCOMES | QUARTERS,
    ),
    "a message moves to another conversation": (
        sql(
            "update messages set conversation_id = %s where id = %s",
            uuid(EXACTLY_A_DAY),
            uuid(number(0, EVENING)),
        ),
        OUTCOMES | QUARTERS | READS | BY_TYPE,
    ),
    "a message is somebody else's": (
        sql("update messages set sender_id = %s where id = %s", ANN, uuid(number(-1, EVENING))),
        OUTCOMES,
    ),
    "a message is of the system": (
        sql("update messages set message_type = 'system' where id = %s", uuid(number(0, MIDNIGHT))),
        OUTCOMES | QUARTERS,
    ),
    "a message moves to the day before": (
        sql(
            "update messages set created_at = created_at - interval '3 microseconds' where id = %s",
            uuid(number(0, MIDNIGHT)),
        ),
        OUTCOMES | QUARTERS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_rollups_follow_a_change(change: str, pipeline: Pipeline, world: World) -> None:
    """After a change of a fact or a dimension, rollups equal a naive count and a rebuild."""
    before = naive(pipeline)
    apply, affected = CHANGES[change]
    apply(world)
    expected = naive(pipeline)
    assert {name for name in expected if expected[name] != before[name]} >= affected
    pipeline.cycle()
    assert_exact(pipeline, expected)


def test_rollups_follow_all_changes_at_once(pipeline: Pipeline, world: World) -> None:
    """All these changes in one batch give what a rebuild gives."""
    for apply, _ in CHANGES.values():
        apply(world)
    pipeline.cycle()
    assert_exact(pipeline, naive(pipeline))


def test_many_days_are_derived_in_portions(pipeline: Pipeline, world: World) -> None:
    """Somebody who wrote and read on more days than a portion has becomes a bot."""
    for day in range(70):
        message(world, 1000 + day, sender_id=(ANN, BEN)[day % 2], created_at=at(days=-10 - day))
        world.receipt(1000 + day, READER, read_at=at(days=-10 - day, hours=13))
    pipeline.cycle()
    world.execute("update users set is_bot = true where id in (%s, %s)", ANN, READER)
    pipeline.cycle()
    assert_exact(pipeline, naive(pipeline))


@contextmanager
def recorded() -> Iterator[list[tuple[str, Any]]]:
    """The rollups that are derived, each with its days; `read_days` with the receipts counted."""
    ran: list[tuple[str, Any]] = []
    run = sqlfiles.run

    def record(connection: Any, name: str, *table: Any, **parameters: Any) -> Any:
        if name.startswith("rollups/"):
            bounds = [parameters[name].date() for name in ("since", "until") if name in parameters]
            span = tuple(bounds) or parameters.get("days", ())
            if name == "rollups/read_days":
                span = connection.execute("select count(*) from temp.counted_receipts").fetchone()
            ran.append((name.removeprefix("rollups/"), span))
        return run(connection, name, *table, **parameters)

    with patch.object(sqlfiles, "run", record):
        yield ran


@pytest.mark.parametrize(
    "change",
    [
        sql("update messages set content = 'edited', updated_at = now()"),
        sql("update message_read_receipts set read_at = read_at + interval '30 days'"),
        sql("insert into analytics_events (id, event_type) values (%s, 'x')", uuid(1)),
        sql("update users set username = username || '!', deleted_at = now()"),
        sql("update conversations set title = 'another'"),
        lambda world: world.user(UNKNOWN, is_bot=False),
    ],
    ids=["edits", "late receipts", "an event", "names", "titles", "an unknown person's row"],
)
def test_what_no_outcome_depends_on_derives_none(
    change: Change, pipeline: Pipeline, world: World
) -> None:
    """Nothing of the outcomes is derived again when nothing changed that decides one."""
    world.execute(
        "delete from message_read_receipts where read_at < "
        "(select created_at + interval '1 day' from messages where id = message_id)"
    )
    pipeline.cycle()
    change(world)
    with recorded() as ran:
        pipeline.cycle()
    assert "message_outcomes" not in dict(ran)
    assert_exact(pipeline, naive(pipeline))


def test_names_and_unknown_people_derive_nothing(pipeline: Pipeline, world: World) -> None:
    """A rename, and a row for somebody who was taken for a person, derive no rollup at all."""
    world.execute("update users set username = username || '!'")
    world.user(UNKNOWN, is_bot=False)
    with recorded() as ran:
        report = pipeline.cycle()
    assert report.rows_changed == 5 and ran == []


def test_edits_derive_what_counts_texts_alone(pipeline: Pipeline, world: World) -> None:
    """Who was active when does not change with a text, so that only `message_days` is stale."""
    world.execute("update messages set content = 'edited', updated_at = now()")
    with recorded() as ran:
        pipeline.cycle()
    assert {name for name, _ in ran} == {"message_days"}
    assert_exact(pipeline, naive(pipeline))


def test_a_read_derives_the_reads_of_its_reader_alone(pipeline: Pipeline, world: World) -> None:
    """Of a day only the reader's receipts are counted again, and only their messages looked up."""
    long_ago, today = at(days=-400), at().date()
    message(world, 91, sender_id=READER, created_at=long_ago)
    world.receipt(number(0), BOT, read_at=at(minutes=5))
    pipeline.cycle()
    world.receipt(91, READER, read_at=at(minutes=5))
    world.receipt(number(0), READER, read_at=at(minutes=6))
    with recorded() as ran:
        pipeline.cycle()
    alone, recent = (span for name, span in ran if name == "reads/own")
    assert alone == (long_ago.date(), long_ago.date() + timedelta(days=1))
    assert recent[0] >= today - timedelta(days=1)
    read_today = sum(
        (moment.date(), reader, room) == (today, READER, uuid(BUSY))
        for moment, room, reader, _ in contents.of_source(pipeline.url)["read_receipts"].elements()
    )
    assert [span for name, span in ran if name == "read_days"] == [(read_today,)]
    assert_exact(pipeline, naive(pipeline))


def test_a_read_of_long_ago_becomes_one_of_an_own_message(pipeline: Pipeline, world: World) -> None:
    """When a message gets another sender, the reads of that sender are derived on whatever day."""
    message(world, 91, sender_id=ANN, created_at=at(days=-2, minutes=7))
    world.receipt(91, READER, read_at=at(days=200))
    world.receipt(91, BEN, read_at=at(days=200))
    pipeline.cycle()
    world.execute("update messages set sender_id = %s where id = %s", READER, uuid(91))
    with recorded() as ran:
        pipeline.cycle()
    assert [span for name, span in ran if name == "read_days"] == [(1,)]
    assert_exact(pipeline, naive(pipeline))


def test_a_change_of_one_conversation_derives_its_days_alone(
    pipeline: Pipeline, world: World
) -> None:
    """A message makes three days of its conversation stale; another conversation's rows stay."""
    world.execute("delete from messages where id = %s", uuid(number(-1, NOON, EXACTLY_A_DAY)))
    with recorded() as ran:
        pipeline.cycle()
    days = (at(days=-2).date(), at(days=1).date())
    assert [span for name, span in ran if name == "message_outcomes"] == [days]
    assert [span for name, span in ran if name == "message_quarter_hours"] == [[at(days=-1).date()]]


def test_a_new_type_derives_the_days_of_its_conversation(pipeline: Pipeline, world: World) -> None:
    """A conversation's type makes days with its messages or reads stale, and no fact is loaded."""
    message(world, 91, conversation_id=uuid(8), created_at=at(days=-40))
    pipeline.cycle()
    world.conversation(8, type="direct")
    with recorded() as ran:
        report = pipeline.cycle()
    day = at(days=-40).date()
    assert report.days_rebuilt == 0
    assert ran == [
        ("message_quarter_hours", [day]),
        ("user_type_days", [day]),
        ("message_outcomes", (day, day + timedelta(days=1))),
    ]
    assert_exact(pipeline, naive(pipeline))


def test_an_erasure_keeps_every_rollup(pipeline: Pipeline, world: World) -> None:
    """Erased people keep their rows under a pseudonym, and whether they are bots still counts."""
    erase(pipeline.settings, pipeline.schema.id("user", ANN), pipeline.clock)
    for is_bot in (False, True):
        world.execute("update users set is_bot = %s where id = %s", is_bot, ANN)
        pipeline.cycle()
        found = {
            name: contents.Rows(
                {
                    tuple(ANN if is_pseudonym(value) else value for value in row): count
                    for row, count in rows.items()
                }
            )
            for name, rows in contents.of_core(pipeline.published).items()
        }
        assert contents.differences(found, naive(pipeline)) == {}


def test_days_that_a_backfill_adds_meet_their_neighbours(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days loaded in any order, in chunks of one block, give what one load gives."""
    monkeypatch.setattr(etl.backfill, "RANGE_BLOCKS", 1)
    with World(pipeline.url) as world:
        fill(world)
    today = at().date()
    for first, last in ((-1, -1), (1, 1), (0, 0), (-2, -2)):
        pipeline.backfill(DayRange(today + timedelta(days=first), today + timedelta(days=last)))
    pipeline.backfill()
    assert_exact(pipeline, naive(pipeline))


@pytest.mark.parametrize("table", ["users", "conversations"])
def test_a_lost_dimension_is_in_the_rollups_again(
    table: str, pipeline: Pipeline, world: World
) -> None:
    """A warehouse rebuilt without a dimension has its attributes in the rollups after the cycle."""
    for path in (pipeline.layout.lake / table).glob("*.parquet"):
        path.unlink()
    pipeline.layout.warehouse.unlink()
    pipeline.cycle()
    assert_exact(pipeline, naive(pipeline))


def test_the_first_and_the_last_day_have_outcomes(pipeline: Pipeline, world: World) -> None:
    """Days next to the years 1 and 9999 are derived, verified and changed like any other."""
    moments = ["0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"]
    for place, moment in enumerate(moments):
        for sender in (ANN, BEN):
            key = 500 + 10 * place + sender
            message(world, key, sender_id=sender, created_at=moment)
            world.receipt(key, READER, read_at=moment)
    message(world, 530, created_at="0001-01-02 00:00:00+00")
    message(world, 531, created_at="9999-12-31 00:00:00+00")
    pipeline.cycle()
    assert_exact(pipeline, naive(pipeline))
    for key in (501, 511, 531):
        world.execute("update messages set deleted_at = now() where id = %s", uuid(key))
    world.execute("update users set is_bot = true where id = %s", READER)
    pipeline.cycle()
    assert_exact(pipeline, naive(pipeline))
    assert pipeline.verify().reconciled.is_settled


def test_infinite_times_have_outcomes(pipeline: Pipeline, world: World) -> None:
    """Infinite times count as the nearest of the years 1 to 9999, and nothing overflows."""
    for key, moment in enumerate(("infinity", "-infinity", "infinity"), 501):
        message(world, key, sender_id=key, created_at=moment)
        world.receipt(key, READER, read_at=moment)
    pipeline.cycle()
    rows = contents.of_core(pipeline.published)["message_outcomes"]
    ends = {row[2]: row[0].date() for row in rows if row[0].date() in (date.min, date.max)}
    assert ends == {501: date.max, 502: date.min, 503: date.max}
    assert pipeline.verify().reconciled.is_settled
