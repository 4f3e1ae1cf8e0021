"""Other engines find the same rows in the lake's Delta tables: DuckDB 1.5, ClickHouse, Sail."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from olap.delta.columns import lake_columns
from olap.manifest import Manifest
from olap.tables import FACT_NAMES
from tests.environments import Environment
from tests.fix_pipeline import Pipeline
from tests.scale.delta_tables import counts_by_day, example, fill, rows_in_lake, with_delta
from tests.world import World, at

pytestmark = [pytest.mark.scale, pytest.mark.both_schemas]

ROOT = Path(__file__).parents[2]
READERS = Environment(ROOT / "build" / "readers", Path(__file__).with_name("readers.lock"))

# Each value of a column as text, by its type in Delta: bytes as hexadecimal digits.
AS_TEXT = {
    "duckdb": {"binary": "lower(hex({}))", "timestamp_ntz": "strftime({}, '%Y-%m-%d %H:%M:%S.%f')"},
    # It reads a uuid as text.
    "chdb": {"binary": "replaceAll({}, '-', '')", "boolean": "if({}, 'true', 'false')"},
}
SCAN = {
    "duckdb": "delta_scan('{path}', version := {version})",
    "chdb": "deltaLakeLocal('{path}')",
}
SETTINGS = {
    "duckdb": "",
    "chdb": " settings delta_lake_snapshot_version = {version}, session_timezone = 'UTC'",
}


@pytest.fixture
def pipeline(pipeline: Pipeline) -> Pipeline:
    """A pipeline that publishes Delta tables."""
    return with_delta(pipeline)


@pytest.fixture
def kept(pipeline: Pipeline) -> Iterator[list[Manifest]]:
    """Two generations of a small messenger with every type, the older first."""
    with World(pipeline.url) as world:
        fill(world)
        pipeline.cycle()
        before = pipeline.manifest()
        world.message(20, created_at=at(days=-1), deleted_at=at(minutes=2))
        world.execute("delete from analytics_events where created_at < %s", at(days=-1, hours=-2))
        world.user(7, is_bot=True)
        pipeline.cycle()
        yield [before, pipeline.manifest()]


def asked(reader: str, statements: list[str]) -> list[list[list[Any]]]:
    """What a reader answers, statement by statement."""
    READERS.install()
    ended = subprocess.run(
        [READERS.python, Path(__file__).with_name("readers.py"), reader],
        input="".join(f"{json.dumps(sql)}\n" for sql in statements),
        capture_output=True,
        text=True,
        timeout=600,
        env={"TZ": "Asia/Tokyo"},
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [json.loads(line) for line in ended.stdout.splitlines()]


def as_text(value: Any) -> str | None:
    """A value of a row as AS_TEXT makes it."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool):
        return str(value).lower()
    is_time = hasattr(value, "hour")
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if is_time else str(value)


@pytest.mark.parametrize("reader", ["duckdb", "chdb"])
def test_rows_are_the_same(pipeline: Pipeline, kept: list[Manifest], reader: str) -> None:
    """Every row of every table of both generations, by their versions, whatever the time zone of
    the reader's machine is.
    """
    statements, wanted = [], []
    for manifest in kept:
        for table, columns in lake_columns(manifest.shape.ids).items():
            every = {**columns, **({"day": "date"} if table in FACT_NAMES else {})}
            values = []
            for name, type_ in every.items():
                text = AS_TEXT[reader].get(type_, "{}").format(name)
                kind = "varchar" if reader == "duckdb" else "Nullable(String)"
                values.append(f"cast({text} as {kind})")
            given = {
                "path": pipeline.layout.lake / table,
                "version": manifest.delta[table],
            }
            text = f"select {', '.join(values)} from {SCAN[reader]}{SETTINGS[reader]}"
            statements.append(text.format(**given))
            rows = rows_in_lake(pipeline.layout, manifest, table).elements()
            wanted.append(sorted([as_text(value) for value in row] for row in map(list, rows)))
    found = asked(reader, statements)
    assert [sorted(rows, key=repr) for rows in found] == [sorted(rows, key=repr) for rows in wanted]


@pytest.mark.parametrize(("reader", "title"), [("duckdb", "DuckDB"), ("chdb", "ClickHouse")])
def test_the_examples_of_the_readme(
    pipeline: Pipeline, kept: list[Manifest], reader: str, title: str
) -> None:
    """The examples of the lake's README, as they are printed."""
    examples = [
        example(title, pipeline.layout.root, manifest.delta["messages"]) for manifest in kept
    ]
    found = asked(reader, examples)
    for manifest, rows in zip(kept, found, strict=True):
        counts = [[str(day), count] for day, count in counts_by_day(pipeline.layout, manifest)]
        assert [[day, int(count)] for day, count in rows] == counts


@pytest.mark.parametrize("reader", ["duckdb", "chdb"])
def test_uuids_as_text(pipeline: Pipeline, kept: list[Manifest], reader: str) -> None:
    """The expressions of the lake's README for ids that are uuids."""
    text = (pipeline.layout.lake / "README.md").read_text()
    if "Ids that are uuids" not in text:
        assert "binary" not in lake_columns(kept[-1].shape.ids)["messages"].values()
        return
    title = {"duckdb": "DuckDB", "chdb": "ClickHouse"}[reader]
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {title} |"))
    expression = line.split("`")[1]
    given = {"path": pipeline.layout.lake / "messages", "version": kept[-1].delta["messages"]}
    statement = f"select {expression} from {SCAN[reader]}{SETTINGS[reader]}".format(**given)
    (rows,) = asked(reader, [statement])
    ids = {row[0] for row in rows}
    assert ids == {f"00000000-0000-0000-0000-{number:012x}" for number in (*range(6), 20)}


def test_sail_reads_the_example(pipeline: Pipeline, kept: list[Manifest]) -> None:
    """Sail, through Spark Connect, reads both generations by the example for Spark."""
    text = example("Spark", pipeline.layout.root)
    lines = [json.dumps([text, manifest.delta]) for manifest in kept]
    ended = subprocess.run(
        [sys.executable, Path(__file__).with_name("spark_example.py")],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    wanted = [
        [[str(day), count] for day, count in counts_by_day(pipeline.layout, manifest)]
        for manifest in kept
    ]
    assert found == wanted
