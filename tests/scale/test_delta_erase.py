"""After an erasure no log of a Delta table tells of the person; the tables are published again."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from etl import erase as erasure
from etl.erase import erase
from olap.delta.table_log import log_directory
from olap.delta.upkeep import remove_logs, values_in
from olap.errors import ErasureError
from olap.layout import Layout
from olap.secret import Secret
from tests.crash_points import NAME, PERSON
from tests.fix_pipeline import Pipeline
from tests.scale.delta_tables import differences, files, with_delta
from tests.test_erase import traces
from tests.world import World, at


@pytest.fixture
def pipeline(pipeline: Pipeline) -> Pipeline:
    """A pipeline that publishes Delta tables, without a cache to reach."""
    return with_delta(pipeline, redis_url=Secret("redis://127.0.0.1:1/0"))


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """A person who wrote, read, did and took part; generations enough for checkpoints."""
    with World(pipeline.url) as world:
        world.user(PERSON, username=NAME)
        world.user(2)
        world.conversation(1)
        for user in (PERSON, 2):
            world.participant(1, user)
        for number in range(4):
            world.message(number, sender_id=(PERSON, 2)[number % 2], created_at=at(days=-number))
            world.receipt(number, user=PERSON, read_at=at(days=-number, minutes=1))
            world.event(number, user_id=PERSON, created_at=at(days=-number))
        pipeline.cycle()
        yield world


def anonymised(pipeline: Pipeline, world: World) -> None:
    """Do what the messenger does before an erasure."""
    world.user(PERSON, username="deleted", deleted_at=at(days=1))
    pipeline.cycle()


def tell(layout: Layout, text: str) -> None:
    """Write an entry with statistics of names into the log of users, as another program would, and
    a compressed checkpoint of it.
    """
    table = DeltaTable(layout.lake / "users")
    (path,) = files(layout, "users")
    size = (layout.lake / "users" / path).stat().st_size
    stats = {"numRecords": 2, "minValues": {"username": text}, "maxValues": {"username": text}}
    added = AddAction(path, size, {}, 0, True, json.dumps(stats))
    table.create_write_transaction([added], "append", table.schema())
    table = DeltaTable(layout.lake / "users")
    table.create_checkpoint()


def checkpoints(layout: Layout) -> list[Path]:
    """The checkpoints of all tables."""
    return sorted(layout.lake.glob("*/_delta_log/*.checkpoint.parquet"))


@pytest.mark.both_schemas
def test_no_log_tells_of_a_person(pipeline: Pipeline, world: World) -> None:
    """Logs and checkpoints hold no id and no name at any time, and after an erasure no file does;
    all tables are published again.
    """
    for number in range(21):
        world.message(10 + number, sender_id=PERSON, created_at=at(minutes=number))
        pipeline.cycle()
    assert checkpoints(pipeline.layout)
    assert not [trace for trace in traces(pipeline) if "_delta_log" in trace]
    logs = {name: log_directory(pipeline.layout, name) for name in ("users", "messages")}
    told = [v for log in logs.values() for path in log.iterdir() for v in values_in(path) or []]
    # Paths of few digits are those of no day; anything else would be new in a log.
    assert set(told) <= {"True", "False", "day"}
    anonymised(pipeline, world)
    erase(pipeline.settings, pipeline.schema.id("user", PERSON), pipeline.clock)
    assert traces(pipeline) == []
    assert differences(pipeline.layout, pipeline.manifest()) == []


def test_what_another_program_told_goes(pipeline: Pipeline, world: World) -> None:
    """Statistics that another program wrote into a log, and a compressed checkpoint of them, go."""
    tell(pipeline.layout, NAME)
    anonymised(pipeline, world)
    assert any("checkpoint" in trace for trace in traces(pipeline))
    erase(pipeline.settings, pipeline.schema.id("user", PERSON), pipeline.clock)
    assert traces(pipeline) == []
    assert differences(pipeline.layout, pipeline.manifest()) == []


def compressed(path: Path) -> bytes:
    """The bytes of a checkpoint, written again with gzip."""
    written = io.BytesIO()
    pq.write_table(pq.read_table(path), written, compression="gzip", write_statistics=False)
    return written.getvalue()


@pytest.mark.parametrize(
    ("text", "suffix"), [(NAME, ".parquet"), (f"<{PERSON}>", ".parquet"), (NAME, ".json")]
)
def test_the_search_reads_logs(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch, text: str, suffix: str
) -> None:
    """An id or a name that is left in a log, also in a compressed checkpoint, fails the erasure,
    and the error names the file.
    """
    tell(pipeline.layout, text)
    anonymised(pipeline, world)
    kept = {
        path: path.read_bytes()
        for path in log_directory(pipeline.layout, "users").iterdir()
        if path.suffix == suffix and any(text in value for value in values_in(path) or [])
    }
    assert kept
    if suffix == ".parquet":
        # Snappy leaves a text that is there once as it is.
        kept = {path: compressed(path) for path in kept}
        assert not any(text.encode() in content for content in kept.values())

    def put_back(layout: Layout) -> None:
        remove_logs(layout)
        for path, content in kept.items():
            path.parent.mkdir(exist_ok=True)
            path.with_name(f"left-{path.name}").write_bytes(content)

    monkeypatch.setattr(erasure, "remove_logs", put_back)
    with pytest.raises(ErasureError, match="_delta_log") as raised:
        erase(pipeline.settings, pipeline.schema.id("user", PERSON), pipeline.clock)
    assert suffix in raised.value.message


def test_numbers_of_a_log_are_no_ids(pipeline: Pipeline, world: World) -> None:
    """A size, a time or a number of a file with the digits of an id does not fail an erasure."""
    log = log_directory(pipeline.layout, "users")
    lines = (log / f"{0:020}.json").read_text().splitlines()
    (entry,) = (json.loads(line) for line in lines if '"add"' in line)
    digits = str(entry["add"]["modificationTime"])[4:].lstrip("0")
    world.user(int(digits), username="Somebody Numbered")
    pipeline.cycle()
    world.user(int(digits), username="deleted")
    pipeline.cycle()
    erase(pipeline.settings, pipeline.schema.id("user", int(digits)), pipeline.clock)


def test_parquet_alone_leaves_no_old_log(pipeline: Pipeline, world: World) -> None:
    """With LAKE_FORMAT=parquet an erasure removes the logs of the time before."""
    anonymised(pipeline, world)
    plain = replace(pipeline.settings, lake_format="parquet")
    erase(plain, pipeline.schema.id("user", PERSON), pipeline.clock)
    assert not list(pipeline.layout.lake.glob("*/_delta_log"))
    assert traces(pipeline) == []
