"""Facts and rollups on Sail equal those of the warehouse, row by row."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings

from olap.catalog import metrics
from olap.engine import generate
from olap.engine.ask import ask
from olap.engine.lake import EngineGeneration, prepare
from olap.engine.session import Engine
from olap.tables import FACTS, ROLLUPS
from olap.warehouse import Warehouse
from tests.effort import examples
from tests.fix_pipeline import TIME_ZERO, Pipeline
from tests.metrics.filled import filled_with
from tests.metrics.oracle.world import World as DrawnWorld
from tests.metrics.random_worlds import worlds
from tests.scale.filled_engine import FilledEngine
from tests.world import World, uuid

# The clock of a zone changed within a quarter-hour.
_CHANGES = (datetime(2011, 3, 13, 3, 31), datetime(2022, 10, 1, 16, 1))

_GIVEN = {"since": "2026-01-20", "for_user": 1, "for_conversation": str(uuid(2))}


@settings(max_examples=examples(8), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(drawn=worlds())
def test_rollups_of_random_worlds(
    drawn: tuple[DrawnWorld, Any],
    empty_warehouse: Warehouse,
    filled_engine: FilledEngine,
    sail: Engine,
) -> None:
    """Each rollup, from the facts of a random world, has the warehouse's rows and no others."""
    world, _ = drawn
    with filled_with(empty_warehouse, world) as filled:
        filled_engine.fill(filled.connection)
        for rollup in ROLLUPS:
            found = sail.query(generate.tables()[f"rollups/{rollup.name}.sql"], {})
            assert_same(filled.connection, f"core.{rollup.name}", found)


def test_messages_of_no_conversation(
    empty_warehouse: Warehouse, filled_engine: FilledEngine, sail: Engine
) -> None:
    """Messages of an unknown conversation have no outcome, as in the warehouse."""
    connection = empty_warehouse.connection
    connection.begin()
    try:
        for place in (None, 7):
            for minute, sender in enumerate((1, 2)):
                connection.execute(
                    "insert into core.fact_messages by name select cast($at as timestamp)"
                    " as created_at, $place as conversation_key, $sender as sender_key",
                    {
                        "at": _CHANGES[0] + timedelta(minutes=minute),
                        "place": place,
                        "sender": sender,
                    },
                )
        filled_engine.fill(connection)
        found = sail.query(generate.tables()["rollups/message_outcomes.sql"], {})
        assert found.column("conversation_key").to_pylist() == [7, 7]
    finally:
        connection.rollback()


@pytest.mark.parametrize("seed", [1, 2])
def test_facts_and_rollups_from_the_lake(
    pipeline: Pipeline, database: str, sail: Engine, seed: int
) -> None:
    """From the lake's files engines make the facts and rollups that the fold made, over batches."""
    rng = random.Random(seed)
    with World(database) as world:
        fill(world, rng)
        pipeline.cycle()
        change(world, rng)
        pipeline.cycle()
    generation = EngineGeneration.of(pipeline.manifest(), str(pipeline.settings.data_dir))
    try:
        prepare(sail, generation)
        with duckdb.connect(str(pipeline.published), read_only=True) as connection:
            for table in (*(fact.core_name for fact in FACTS), *(r.name for r in ROLLUPS)):
                rows = connection.execute(f"select count(*) from core.{table}").fetchone()
                assert rows is not None and rows[0] > 5, table
                found = sail.query(f"select * from core_{table}", {})
                assert_same(connection, f"core.{table}", found)
    finally:
        generation.close()


@pytest.mark.scale
@pytest.mark.parametrize("viewer", [{}, {"visible_to": 1}], ids=["everything", "a viewer"])
def test_metrics_from_the_lake(
    pipeline: Pipeline, database: str, sail: Engine, viewer: dict[str, int]
) -> None:
    """Over the lake's files alone each metric answers as the published file, in order."""
    with World(database) as world:
        fill(world, random.Random(3))
        pipeline.cycle()
    generation = EngineGeneration.of(pipeline.manifest(), str(pipeline.settings.data_dir))
    try:
        prepare(sail, generation)
        with duckdb.connect(str(pipeline.published), read_only=True) as connection:
            for metric in metrics():
                if metric.needs is not None and metric.needs.table == "read_marks":
                    continue  # this messenger has none
                given = {**_GIVEN, **viewer}
                names = [parameter.split()[0] for parameter in metric.parameters]
                arguments = {name: given[name] for name in names if name in given}
                call = ", ".join(f"{name} := ${name}" for name in arguments)
                expected = connection.execute(f"from metrics.{metric.macro}({call})", arguments)
                answer = ask(sail, generation, metric.macro, arguments)
                assert [*map(tuple, answer.rows)] == expected.fetchall(), metric.macro
    finally:
        generation.close()


def assert_same(connection: duckdb.DuckDBPyConnection, table: str, found: pa.Table) -> None:
    """Fail unless rows of an engine are those of a table, each as often."""
    types = {name: kind for name, kind, *_ in connection.execute(f"describe {table}").fetchall()}
    assert found.column_names == [*types], table
    columns = [
        column.cast(pa.timestamp("us")) if pa.types.is_timestamp(column.type) else column
        for column in found.columns
    ]
    shown = ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in types.items())
    ours, theirs = f"(from {table})", f"(select {shown} from of_engine)"
    connection.register("of_engine", pa.table(dict(zip(types, columns, strict=True))))
    try:
        missing = connection.execute(f"{ours} except all {theirs}").fetchall()
        extra = connection.execute(f"{theirs} except all {ours}").fetchall()
    finally:
        connection.unregister("of_engine")
    assert (missing, extra) == ([], []), table


def fill(world: World, rng: random.Random) -> None:
    """Write a messenger with everything that rollups tell apart."""
    for number in range(1, 9):
        world.user(number, is_bot=number == 8, deleted_at=_at(rng) if number == 7 else None)
    for number, kind in enumerate(["direct", "group", "channel", "group"], 1):
        world.conversation(number, type=kind)
        for user in rng.sample(range(1, 9), 5):
            world.participant(number, user)
    for number in range(1, 260):
        _message(world, rng, number)
    for number in range(1, 260):
        for user in rng.sample(range(1, 9), rng.randrange(3)):
            world.receipt(number, user, read_at=_at(rng))
        if rng.random() < 0.2:
            world.reaction(number, rng.randrange(1, 9), rng.choice("👍🎉"), created_at=_at(rng))
    for number in range(1, 120):
        world.event(
            number,
            event_type=rng.choice(["user.online", "message.sent"]),
            user_id=rng.choice([None, *range(1, 9)]),
            conversation_id=rng.choice([None, *map(uuid, range(1, 5))]),
            created_at=_at(rng),
        )


def change(world: World, rng: random.Random) -> None:
    """Write, delete and read more, so that parts of rollups are derived again."""
    for number in range(230, 300):
        _message(world, rng, number)
    for number in rng.sample(range(1, 260), 30):
        world.receipt(number, rng.randrange(1, 9), read_at=_at(rng))
    world.user(6, is_bot=True)
    world.conversation(2, type="channel")


def _message(world: World, rng: random.Random, number: int) -> None:
    world.message(
        number,
        conversation_id=uuid(rng.randrange(1, 5)),
        sender_id=rng.randrange(1, 9),
        content=rng.choice([None, "", "hello", "some words"]),
        message_type=rng.choice(["text", "text", "image", "file", "system"]),
        created_at=_at(rng),
        deleted_at=_at(rng) if rng.random() < 0.1 else None,
    )


def _at(rng: random.Random) -> datetime:
    """An instant of a few days, often one that something else has."""
    if rng.random() < 0.1:
        return rng.choice(_CHANGES).replace(tzinfo=TIME_ZERO.tzinfo) + timedelta(
            minutes=rng.randrange(-3, 3)
        )
    days = timedelta(days=rng.choice([0, 0, 1, 2, 30]))
    if rng.random() < 0.5:
        return TIME_ZERO - days - timedelta(minutes=10 * rng.randrange(140))
    return TIME_ZERO - days - timedelta(microseconds=rng.randrange(86_400_000_000))
