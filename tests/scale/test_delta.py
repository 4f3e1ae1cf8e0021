"""LAKE_FORMAT=delta: the tables have the files of the manifest, whatever happened before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
import structlog
from deltalake import DeltaTable

from etl.report.status import status_text
from olap.collection import collect
from olap.delta import publishing, table_log
from olap.delta.columns import lake_columns
from olap.delta.publishing import publish_tables
from olap.delta.table_log import APPLICATION, TableLog
from olap.generations import generation_numbers
from olap.layout import Layout, write_durably
from olap.manifest import Manifest, identity, read_manifest
from olap.status import Level, Status, status
from olap.tables import FACTS, TABLE_NAMES, TABLES
from tests.fix_pipeline import Pipeline
from tests.scale.delta_tables import (
    counts_by_day,
    differences,
    entries_of,
    example,
    files,
    files_in,
    fill,
    log_names,
    rows_by_polars,
    rows_in_lake,
    with_delta,
)
from tests.world import World, at

PHYSICAL = {
    "int64": "long",
    "int32": "integer",
    "bool": "boolean",
    "string": "string",
    "extension<arrow.uuid>": "binary",
    "timestamp[us]": "timestamp_ntz",
}


@pytest.fixture
def pipeline(pipeline: Pipeline) -> Pipeline:
    """A pipeline that publishes Delta tables."""
    return with_delta(pipeline)


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """A small messenger."""
    with World(pipeline.url) as world:
        fill(world)
        yield world


def cycles(pipeline: Pipeline, world: World, count: int, *, first: int = 100) -> list[Manifest]:
    """The manifests of cycles with one more message each."""
    made = []
    for number in range(first, first + count):
        world.message(number, created_at=at(minutes=number), sender_id=1)
        pipeline.cycle()
        made.append(pipeline.manifest())
    return made


def seen_status(pipeline: Pipeline) -> Status:
    """The status after the last batch."""
    latest = read_manifest(pipeline.layout.lake_manifest)
    return status(
        pipeline.layout,
        latest.data_through + timedelta(seconds=1),
        interval_seconds=300,
        lake_format="delta",
    )


@pytest.mark.both_schemas
def test_every_table_has_the_files_of_the_manifest(pipeline: Pipeline, world: World) -> None:
    """Each table of the lake is a Delta table with the manifest's files and the files' types, also
    one that is empty or not available.
    """
    for _ in range(2):
        pipeline.cycle()
        world.message(20, created_at=at(minutes=1))
        world.execute("delete from message_read_receipts")
    manifest = pipeline.manifest()
    assert differences(pipeline.layout, manifest) == []
    columns = lake_columns(manifest.shape.ids)
    for table in TABLES:
        opened = DeltaTable(pipeline.layout.lake / table.name)
        types = {
            field.name: str(getattr(field.type, "type", "")) for field in opened.schema().fields
        }
        is_fact = table in FACTS
        assert types == {**columns[table.name], **({"day": "date"} if is_fact else {})}
        assert opened.metadata().partition_columns == (["day"] if is_fact else [])
        for path in files_in(manifest, table.name):
            schema = pq.read_schema(pipeline.layout.lake / table.name / path)
            held = {field.name: PHYSICAL[str(field.type)] for field in schema}
            assert held == columns[table.name], table.name
    lacking = [name for name, state in manifest.tables.items() if not state.is_available]
    assert lacking
    for table_name in lacking:
        assert DeltaTable(pipeline.layout.lake / table_name).count() == 0


@pytest.mark.both_schemas
def test_polars_and_deltalake_read_the_rows(pipeline: Pipeline, world: World) -> None:
    """Polars and deltalake read each table's rows as they are in the lake's files, times as UTC."""
    pipeline.cycle()
    world.message(20, created_at=at(minutes=1), deleted_at=at(minutes=2))
    pipeline.cycle()
    manifest = pipeline.manifest()
    for table, version in manifest.delta.items():
        wanted = rows_in_lake(pipeline.layout, manifest, table)
        assert rows_by_polars(pipeline.layout, table, version) == wanted
        opened = DeltaTable(pipeline.layout.lake / table, version=version)
        assert opened.count() == sum(wanted.values())
        found = opened.to_pyarrow_table()
        assert sorted(map(repr, found.to_pylist())) == sorted(
            repr(dict(zip(found.schema.names, row, strict=True))) for row in wanted.elements()
        )
    (created_at,) = {
        row["created_at"]
        for row in DeltaTable(pipeline.layout.lake / "messages").to_pyarrow_table().to_pylist()
        if row["deleted_at"] is not None
    }
    assert created_at == at(minutes=1).replace(tzinfo=None)


def test_the_readme_is_run(
    pipeline: Pipeline, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lake's README lists every column, and its way to the versions and its example for Polars
    work as they are printed.
    """
    pipeline.cycle()
    made = cycles(pipeline, world, 2)
    text = (pipeline.layout.lake / "README.md").read_text()
    for columns in lake_columns(made[-1].shape.ids).values():
        for name, type_ in columns.items():
            assert f"{name} {type_}" in text
    assert "<!--" not in text
    names: dict[str, Any] = {}
    for part in ("One cut", "Polars"):
        exec(example(part, pipeline.layout.root), names)
    assert names["versions"] == made[-1].delta
    assert names["rows"] == counts_by_day(pipeline.layout, made[-1])


def test_a_table_without_a_change_gets_no_commit(pipeline: Pipeline, world: World) -> None:
    """A changed table gets one commit with the application's transaction; any other none."""
    pipeline.cycle()
    before, (after,) = pipeline.manifest(), cycles(pipeline, world, 1)
    assert after.delta == {**before.delta, "messages": before.delta["messages"] + 1}
    kinds = [next(iter(one)) for one in entries_of(pipeline.layout, "messages", 1)]
    assert sorted(kinds) == ["add", "commitInfo", "remove", "txn"]
    (transaction,) = (e["txn"] for e in entries_of(pipeline.layout, "messages", 1) if "txn" in e)
    assert transaction["appId"] == APPLICATION and transaction["version"] == after.generation
    for added in (e["add"] for e in entries_of(pipeline.layout, "messages", 1) if "add" in e):
        assert set(json.loads(added["stats"])) == {"numRecords"}


def test_a_retry_does_nothing(pipeline: Pipeline, world: World) -> None:
    """A generation that is published again gets the versions it has, and no commit."""
    pipeline.cycle()
    (manifest,) = cycles(pipeline, world, 1)
    before = {table: log_names(pipeline.layout, table) for table in TABLE_NAMES}
    unrecorded = msgspec.structs.replace(manifest, delta={})
    for number in generation_numbers(pipeline.layout)[:-1]:
        shutil.rmtree(pipeline.layout.generation_directory(number))
    assert publish_tables(pipeline.layout, unrecorded) == manifest
    assert {table: log_names(pipeline.layout, table) for table in TABLE_NAMES} == before


def test_the_manifest_of_a_generation_is_recognized(pipeline: Pipeline, world: World) -> None:
    """The versions are added to a read-only manifest, and leave the bytes that identify it."""
    pipeline.cycle()
    manifest = pipeline.manifest()
    path = pipeline.layout.generation_manifest(manifest.generation)
    assert path.stat().st_mode & 0o777 == 0o444
    content = path.read_bytes()
    without = msgspec.structs.replace(manifest, delta={}).to_json()
    assert content != without and identity(content) == identity(without)
    other = msgspec.structs.replace(manifest, generation=manifest.generation + 1)
    assert identity(other.to_json()) != identity(content)
    # A manifest of an earlier version has no versions.
    earlier = without.replace(b',\n "delta": {}', b"")
    assert msgspec.json.decode(earlier, type=Manifest).delta == {} and identity(earlier) == earlier


@pytest.mark.parametrize("failure", [OSError("no space"), BaseException("a panic")])
def test_a_failure_fails_no_cycle(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """A failure is logged and shown by `status`, readers keep the generation before, and the next
    cycle catches up without a new generation.
    """
    pipeline.cycle()
    before = pipeline.manifest()
    world.message(20, created_at=at(minutes=1))
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as lines:
        real = TableLog.publish

        def publish(log: TableLog, *given: Any) -> int:
            if log.table.name == "messages":
                raise failure
            return real(log, *given)

        patch.setattr(TableLog, "publish", publish)
        assert pipeline.cycle().is_published
    assert any(line["event"] == "delta.failed" and line["hint"] for line in lines)
    failed = pipeline.manifest()
    assert failed.delta == {} and failed.generation == before.generation + 1
    found = seen_status(pipeline)
    assert found.level is Level.WARNING and "is not published as Delta tables" in found.reasons[0]
    assert f"delta         generation {before.generation}; versions: users 0," in status_text(found)
    assert not pipeline.cycle().is_published
    caught_up = pipeline.manifest()
    assert caught_up.generation == failed.generation
    assert differences(pipeline.layout, caught_up) == []
    found = seen_status(pipeline)
    assert found.level is Level.OK
    assert f"delta         generation {caught_up.generation}; versions: " in status_text(found)


def test_a_missing_package_fails_no_cycle(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package deltalake the cycle publishes, and the log says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "deltalake", None)
    with structlog.testing.capture_logs() as lines:
        assert pipeline.cycle().is_published
    (line,) = (line for line in lines if line["event"] == "delta.failed")
    assert "needs the package deltalake" in line["error"] and "`delta`" in line["hint"]
    assert pipeline.manifest().delta == {}


def test_parquet_alone_writes_no_log(pipeline: Pipeline, world: World) -> None:
    """With LAKE_FORMAT=parquet nothing of Delta is written, and `status` does not mention it."""
    plain = replace(pipeline, settings=replace(pipeline.settings, lake_format="parquet"))
    plain.cycle()
    assert not list(plain.layout.lake.rglob("_delta_log"))
    assert not (plain.layout.lake / "README.md").exists()
    assert status(plain.layout, at(), interval_seconds=300).delta is None


@pytest.fixture
def frequent_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint at every fifth version, for histories that are not long."""
    configuration = {**table_log._CONFIGURATION, "delta.checkpointInterval": "5"}
    monkeypatch.setattr(table_log, "_CONFIGURATION", configuration)


@pytest.mark.usefixtures("frequent_checkpoints")
def test_kept_generations_stay_readable(pipeline: Pipeline, world: World) -> None:
    """Each kept generation is read by its versions; logs begin with what these need, and do not
    grow with the number of commits.
    """
    pipeline = with_delta(pipeline, keep_generations=2, grace_seconds=0)
    world.message(99, created_at=at(days=-2))
    pipeline.cycle()
    # The newest version is a checkpoint, and the generation before needs the one before that.
    cycles(pipeline, world, 9)
    kept = [
        read_manifest(pipeline.layout.generation_manifest(number))
        for number in generation_numbers(pipeline.layout)
    ]
    assert len(kept) == 2
    for manifest in kept:
        for table, version in manifest.delta.items():
            assert files(pipeline.layout, table, version) == files_in(manifest, table)
            found = rows_by_polars(pipeline.layout, table, version)
            assert found == rows_in_lake(pipeline.layout, manifest, table)
    assert kept[0].delta["messages"] == 8
    names = log_names(pipeline.layout, "messages")
    assert sorted(names)[0] == f"{4:020}.checkpoint.parquet"
    assert len(names) == 9  # 6 commits, two checkpoints, and the pointer to the last


def test_an_old_generation_ends_with_its_files(pipeline: Pipeline, world: World) -> None:
    """A version whose files were collected cannot be read, and does not read as other rows."""
    pipeline = with_delta(pipeline, keep_generations=2, grace_seconds=0)
    pipeline.cycle()
    old = pipeline.manifest()
    cycles(pipeline, world, 3)
    with pytest.raises(Exception, match=r"No such file|not found"):
        rows_by_polars(pipeline.layout, "messages", old.delta["messages"])


@pytest.mark.usefixtures("frequent_checkpoints")
def test_collection_leaves_the_logs(pipeline: Pipeline, world: World) -> None:
    """Collection through the whole lake leaves every entry that is needed, checkpoints included."""
    pipeline.cycle()
    manifest = cycles(pipeline, world, 7)[-1]
    before = {table: log_names(pipeline.layout, table) for table in TABLE_NAMES}
    assert any(".checkpoint." in name for name in before["messages"])
    stray = pipeline.layout.lake / "messages" / "999999.parquet"
    stray.write_bytes(b"stray")
    collect(pipeline.layout, manifest, at(days=1), keep=30, grace_seconds=0)
    assert {table: log_names(pipeline.layout, table) for table in TABLE_NAMES} == before
    assert not stray.exists()
    assert differences(pipeline.layout, manifest) == []


def test_an_upgrade_changes_columns(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table whose columns another version of the program changed has the new ones and the
    manifest's files, and the generation before keeps the old ones.
    """
    pipeline.cycle()
    before = pipeline.manifest()
    changed = {table: dict(c) for table, c in lake_columns(before.shape.ids).items()}
    changed["messages"]["reply_to"] = "binary"
    del changed["users"]["in_source"]
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "lake_columns", lambda _: changed)
        (after,) = cycles(pipeline, world, 1)
        assert differences(pipeline.layout, after) == []
        for table, wanted in (("messages", True), ("users", False)):
            column = "reply_to" if table == "messages" else "in_source"
            for manifest, is_new in ((before, False), (after, True)):
                opened = DeltaTable(pipeline.layout.lake / table, version=manifest.delta[table])
                names = [field.name for field in opened.schema().fields]
                assert (column in names) == (wanted == is_new)
        assert after.delta["events"] == before.delta["events"]
    (again,) = cycles(pipeline, world, 1, first=200)
    assert differences(pipeline.layout, again) == []
    assert rows_by_polars(pipeline.layout, "users", again.delta["users"]) == rows_in_lake(
        pipeline.layout, again, "users"
    )


def test_columns_are_compared_after_a_crash(
    pipeline: Pipeline, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns that changed are published, also if the first attempt ended between two tables."""
    pipeline.cycle()
    changed = {table: dict(c) for table, c in lake_columns(pipeline.manifest().shape.ids).items()}
    changed["reactions"]["position"] = "integer"
    monkeypatch.setattr(publishing, "lake_columns", lambda _: changed)
    real = TableLog.publish

    def publish(log: TableLog, *given: Any) -> int:
        if log.table.name == "reactions":
            raise OSError("killed")
        return real(log, *given)

    with monkeypatch.context() as patch:
        patch.setattr(TableLog, "publish", publish)
        cycles(pipeline, world, 1)
    pipeline.cycle()
    names = [field.name for field in DeltaTable(pipeline.layout.lake / "reactions").schema().fields]
    assert "position" in names and differences(pipeline.layout, pipeline.manifest()) == []


def _off_and_on(pipeline: Pipeline, world: World) -> None:
    plain = replace(pipeline, settings=replace(pipeline.settings, lake_format="parquet"))
    cycles(plain, world, 4)
    assert plain.manifest().delta == {}


def _rebuilt(pipeline: Pipeline, world: World) -> None:
    pipeline.layout.warehouse.unlink()
    pipeline.rebuild()


def _logs_removed(pipeline: Pipeline, world: World) -> None:
    for directory in list(pipeline.layout.lake.glob("*/_delta_log")):
        shutil.rmtree(directory)


def _logs_damaged(pipeline: Pipeline, world: World) -> None:
    """As after a power failure: the newest entry has no bytes, and a checkpoint has other ones."""
    for path in pipeline.layout.lake.glob("*/_delta_log/*.json"):
        path.write_bytes(b"")
    world.execute("update users set username = 'renamed' where id = 1")


def _all_loaded_again(pipeline: Pipeline, world: World) -> None:
    """A new load into a DATA_DIR of which the logs were left: batches and paths begin again."""
    for path in (pipeline.layout.generations, pipeline.layout.warehouse, pipeline.layout.pointer):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in list(pipeline.layout.lake.rglob("*.*")):
        if path.is_file() and "_delta_log" not in path.parts:
            path.unlink()
    world.execute("delete from messages where created_at < %s", at(days=-1, hours=-12))


def _other_writer(pipeline: Pipeline, world: World) -> None:
    """Another program removes the rows of a table, and rewrites another one."""
    DeltaTable(pipeline.layout.lake / "events").delete()
    DeltaTable(pipeline.layout.lake / "messages").optimize.compact()


HISTORIES = [_off_and_on, _rebuilt, _logs_removed, _logs_damaged, _all_loaded_again, _other_writer]


@pytest.mark.parametrize("happen", HISTORIES)
@pytest.mark.scale
def test_any_history_ends_in_the_manifest(pipeline: Pipeline, world: World, happen: Any) -> None:
    """Whatever happened to the lake or its logs, the next generation's tables have its files, and
    no generation names a version with other files.
    """
    pipeline = pipeline.without_brake()
    pipeline.cycle()
    cycles(pipeline, world, 3)
    happen(pipeline, world)
    cycles(pipeline, world, 2, first=300)
    assert differences(pipeline.layout, pipeline.manifest()) == []
    for number in generation_numbers(pipeline.layout):
        kept = read_manifest(pipeline.layout.generation_manifest(number))
        for table, version in kept.delta.items():
            assert files(pipeline.layout, table, version) == files_in(kept, table)
    for table in ("messages", "events"):
        wanted = rows_in_lake(pipeline.layout, pipeline.manifest(), table)
        found = rows_by_polars(pipeline.layout, table, pipeline.manifest().delta[table])
        assert found == wanted


@pytest.mark.parametrize("are_logs_restored", [True, False])
@pytest.mark.scale
def test_a_restored_lake_goes_back(
    pipeline: Pipeline, world: World, tmp_path: Path, are_logs_restored: bool
) -> None:
    """A DATA_DIR that was restored from a backup has lower generations again: the tables follow,
    whether the logs were restored with it or not.
    """
    pipeline.cycle()
    cycles(pipeline, world, 1)
    backup = tmp_path / "backup"
    shutil.copytree(pipeline.layout.root, backup, symlinks=True)
    later = cycles(pipeline, world, 4, first=200)[-1]
    logs = tmp_path / "logs"
    if not are_logs_restored:
        shutil.copytree(pipeline.layout.lake, logs, ignore=shutil.ignore_patterns("0*.parquet"))
    shutil.rmtree(pipeline.layout.root)
    shutil.copytree(backup, pipeline.layout.root, symlinks=True)
    if not are_logs_restored:
        for directory in logs.glob("*/_delta_log"):
            target = pipeline.layout.lake / directory.relative_to(logs)
            shutil.rmtree(target)
            shutil.copytree(directory, target)
    (again,) = cycles(pipeline, world, 1, first=400)
    assert again.generation < later.generation
    assert differences(pipeline.layout, again) == []
    found = rows_by_polars(pipeline.layout, "messages", again.delta["messages"])
    assert found == rows_in_lake(pipeline.layout, again, "messages")


def test_a_reader_sees_one_cut(pipeline: Pipeline, world: World) -> None:
    """While a publication is between two tables, the newest versions are of two generations, and
    the versions of the newest manifest that has them are of one.
    """
    pipeline.cycle()
    cuts: list[tuple[bool, bool]] = []
    real = TableLog.publish

    def publish(log: TableLog, *given: Any) -> int:
        version = real(log, *given)
        layout = pipeline.layout
        names: dict[str, Any] = {}
        exec(example("One cut", layout.root), names)
        pinned = [_rows(layout, table, names["versions"][table]) for table in CHANGING]
        newest = [_rows(layout, table, None) for table in CHANGING]
        cuts.append((len(set(pinned)) == 1, len(set(newest)) == 1))
        return version

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TableLog, "publish", publish)
        for number in range(50, 53):
            moment = at(minutes=number)
            world.message(number, created_at=moment, sender_id=1)
            world.receipt(number, 2, read_at=moment)
            world.event(number, created_at=moment, user_id=1)
            pipeline.cycle()
    assert all(is_one for is_one, _ in cuts) and not all(is_one for _, is_one in cuts)


CHANGING = ("messages", "read_receipts", "events")


def _rows(layout: Layout, table: str, version: int | None) -> int:
    return sum(rows for _, rows in files(layout, table, version).values())


def test_drafts_of_manifests_are_collected(pipeline: Pipeline, world: World) -> None:
    """A draft that a crash left beside a manifest goes with the next collection."""
    pipeline.cycle()
    manifest = pipeline.manifest()
    draft = pipeline.layout.generation_manifest(manifest.generation).with_name(".manifest.json.tmp")
    write_durably(draft, b"")
    collect(pipeline.layout, manifest, at(), keep=3, grace_seconds=0)
    assert not draft.exists()
