"""Rollups that an engine makes equal those of the warehouse, and a stale one is never taken."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from olap import sqlfiles
from olap.__main__ import main
from olap.engine.ask import ask
from olap.engine.lake import EngineGeneration, prepare
from olap.engine.parts import LakeState, Part, files_of, fresh_parts, with_fresh_parts
from olap.engine.questions import EmptyGeneration
from olap.engine.rollups import discard_damaged, make
from olap.engine.session import Engine, SparkSession, open_engine
from olap.errors import BusyError, EngineError
from olap.secret import Hidden
from olap.tables import ROLLUPS
from tests import contents
from tests.factories import a_manifest
from tests.fix_pipeline import Pipeline
from tests.scale.fix_engine import OnEngine, sail_cluster
from tests.test_stale_rollups import BEN, BUSY, fill, message
from tests.world import World, at, uuid

_ASKED = ("message_timeline", "activation", "reply_times_by_conversation")
NAMES = [rollup.name for rollup in ROLLUPS]


def _differences(file: duckdb.DuckDBPyConnection, rollup: str, found: Any) -> tuple[int, int]:
    """How many rows of the warehouse's rollup are missing, and how many are too many."""
    described = file.execute(f"describe core.{rollup}").fetchall()
    theirs = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind, *_ in described)
    ours = ", ".join(name for name, *_ in described)
    file.register("found", found)
    try:
        ((missing,),) = file.execute(
            f"select count(*) from (select {ours} from core.{rollup} except all"
            f" select {theirs} from found)"
        ).fetchall()
        ((extra,),) = file.execute(
            f"select count(*) from (select {theirs} from found except all"
            f" select {ours} from core.{rollup})"
        ).fetchall()
    finally:
        file.unregister("found")
    return missing, extra


@pytest.mark.parametrize("rollup", NAMES)
def test_a_rollup_computed_from_the_lake_equals_the_warehouse(
    busy_on_sail: OnEngine, rollup: str
) -> None:
    """What an engine computes from the lake files has exactly the rows of the warehouse."""
    found = busy_on_sail.engine.query(f"select * from core_{rollup}", {})
    assert _differences(busy_on_sail.file, rollup, found) == (0, 0)
    assert found.num_rows > 0


@cache
def _core() -> EmptyGeneration:
    """A DuckDB with the tables of this version."""
    return EmptyGeneration(a_manifest())


def _state(pipeline: Pipeline) -> LakeState:
    """What is published, for parts to be made of it."""
    return LakeState(
        layout=pipeline.layout,
        data_dir=str(pipeline.settings.data_dir),
        files=pipeline.manifest().files,
        ids=_core().ids,
        connection=_core().connection,
    )


def _make(pipeline: Pipeline, engine: Engine) -> int:
    return make(engine, _state(pipeline))


def _fresh(pipeline: Pipeline) -> dict[str, list[Part]]:
    return fresh_parts(_state(pipeline))


def _assert_parts_equal_the_warehouse(pipeline: Pipeline) -> None:
    parts = _fresh(pipeline)
    assert sorted(parts) == sorted(NAMES)
    with duckdb.connect(str(pipeline.published), read_only=True) as file:
        file.execute("set timezone = 'UTC'")
        for rollup, files in files_of(parts).items():
            paths = [str(pipeline.settings.data_dir / path) for path in files]
            if not paths:
                assert file.execute(f"select count(*) from core.{rollup}").fetchall() == [(0,)]
                continue
            found = file.sql("from read_parquet($paths)", params={"paths": paths})
            if rollup == "user_firsts":
                found = found.aggregate("user_key, min(first_at) as first_at", "user_key")
            assert _differences(file, rollup, found.to_arrow_table()) == (0, 0)


def test_parts_equal_the_warehouse_and_are_made_once(filled: Pipeline, sail: Engine) -> None:
    """The parts of all months have the warehouse's rows; a second run makes none."""
    assert _make(filled, sail) > len(NAMES)
    _assert_parts_equal_the_warehouse(filled)
    assert _make(filled, sail) == 0


def test_parts_of_two_workers_equal_the_warehouse(filled: Pipeline, two_workers: str) -> None:
    """The same by a driver and two workers that speak by network."""
    engine = open_engine(two_workers)
    try:
        assert _make(filled, engine) > len(NAMES)
    finally:
        engine.close()
    _assert_parts_equal_the_warehouse(filled)


@pytest.fixture
def world(pipeline: Pipeline) -> Iterator[World]:
    """The messenger of the pipeline."""
    with World(pipeline.url) as found:
        yield found


@pytest.fixture
def filled(pipeline: Pipeline, world: World) -> Pipeline:
    """People, messages and reads at the edges of days, the first of March among them."""
    fill(world)
    pipeline.cycle()
    return pipeline


def test_a_message_makes_the_parts_stale_that_depend_on_it(
    filled: Pipeline, world: World, sail: Engine
) -> None:
    """After a message of March the parts of March are made again, and those of February are not.

    But the outcomes of February depend on the first of March.
    """
    made = _make(filled, sail)
    before = {part.folder for parts in _fresh(filled).values() for part in parts}
    message(world, 9_999, sender_id=BEN, created_at=at(hours=3))
    filled.cycle()
    stale = set(NAMES) - set(_fresh(filled))
    assert stale >= {"message_days", "user_days", "message_outcomes", "user_firsts"}
    assert 0 < _make(filled, sail) < made
    _assert_parts_equal_the_warehouse(filled)
    after = [part for parts in _fresh(filled).values() for part in parts]
    kept = {(part.rollup, part.first) for part in after if part.folder in before}
    assert ("message_days", date(2026, 2, 1)) in kept
    assert ("message_outcomes", date(2026, 2, 1)) not in kept


def test_a_new_user_makes_no_part_stale(filled: Pipeline, world: World, sail: Engine) -> None:
    """No earlier file mentions somebody new, so that all parts are taken."""
    _make(filled, sail)
    world.user(77)
    filled.cycle()
    assert sorted(_fresh(filled)) == sorted(NAMES)


@pytest.mark.parametrize(
    "change",
    [
        lambda world: world.execute("update users set is_bot = not is_bot where id = %s", BEN),
        lambda world: world.execute(
            "update conversations set type = 'channel' where id = %s", uuid(BUSY)
        ),
    ],
    ids=["bot", "type"],
)
@pytest.mark.scale
def test_an_attribute_makes_every_part_stale(
    filled: Pipeline, world: World, change: Callable[[World], object], sail: Engine
) -> None:
    """Who is a bot, and the type of a conversation, are in rollups of all months."""
    _make(filled, sail)
    change(world)
    filled.cycle()
    assert not any(_fresh(filled).values())
    _make(filled, sail)
    _assert_parts_equal_the_warehouse(filled)


def test_a_part_whose_files_are_not_whole_is_not_taken(filled: Pipeline, sail: Engine) -> None:
    """A part without one of its files, or with another length, or without its manifest is none."""
    _make(filled, sail)
    parts = [*_fresh(filled)["message_days"], *_fresh(filled)["user_days"]]
    for harm, part in zip(("removed", "longer", "manifest"), parts, strict=False):
        path = filled.settings.data_dir / next(iter(part.files))
        if harm == "removed":
            path.unlink()
        elif harm == "longer":
            path.write_bytes(path.read_bytes() + b"\0")
        else:
            (filled.settings.data_dir / part.folder / "manifest.json").write_bytes(b"{}")
        assert part.rollup not in _fresh(filled)
    assert _make(filled, sail) == 3
    _assert_parts_equal_the_warehouse(filled)


def test_other_sql_makes_parts_stale(filled: Pipeline, sail: Engine) -> None:
    """A part that other SQL made is not taken."""
    _make(filled, sail)
    with patch("olap.engine.parts.schema_fingerprint", return_value="another"):
        assert not any(_fresh(filled).values())


@pytest.mark.scale
def test_questions_read_parts_in_place_of_computing_rollups(filled: Pipeline, sail: Engine) -> None:
    """A generation with parts answers as the file does, and no rollup is computed."""
    _make(filled, sail)
    generation = EngineGeneration.of(filled.manifest(), str(filled.settings.data_dir))
    parts = with_fresh_parts(filled.layout, generation)
    real = sqlfiles.text

    def text(name: str) -> str:
        assert not name.startswith("spark/rollups/")
        return real(name)

    given = {"since": "2026-02-20", "until": "2026-03-01"}
    try:
        with patch("olap.engine.lake.sqlfiles.text", text):
            prepare(sail, parts)
        answers = [ask(sail, parts, macro, given).rows for macro in _ASKED]
    finally:
        generation.close()
    with duckdb.connect(str(filled.published), read_only=True) as file:
        call = "(since := $since, until := $until)"
        expected = [file.execute(f"from metrics.{m}{call}", given).fetchall() for m in _ASKED]
    assert answers == expected
    assert any(row[1] for row in expected[0])


@pytest.mark.scale
def test_the_command_makes_the_months_of_named_days(
    filled: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`engine rollups` makes what is asked, and then the rest, and says how much is up to date."""
    monkeypatch.setenv("DATA_DIR", str(filled.settings.data_dir))
    assert main(["engine", "rollups", "--from", "2026-03-01", "--to", "2026-03-01"]) == 0
    assert "0 of 10 rollups are complete" not in capsys.readouterr().out
    assert main(["engine", "rollups"]) == 0
    assert "10 of 10 rollups are complete and up to date" in capsys.readouterr().out
    assert main(["engine", "rollups"]) == 0
    assert "0 parts made" in capsys.readouterr().out


def test_parts_are_made_by_one_process_at_a_time(
    filled: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While another makes parts, the command ends; a cycle that has waited in vain folds here."""
    monkeypatch.setenv("DATA_DIR", str(filled.settings.data_dir))
    monkeypatch.setattr("olap.engine.rollups._FOLD_SECONDS", 0.2)
    elsewhere = _on(filled, "sc://127.0.0.1:1")
    before = contents.of_core(filled.published)
    with filled.layout.rollups_locked(), capture_logs() as logs:
        assert main(["engine", "rollups"]) == BusyError.exit_code
        elsewhere.rebuild()
    reason = f"another run that makes rollups (pid {os.getpid()}) writes to {filled.layout.root}"
    assert reason in capsys.readouterr().err
    assert [x["reason"] for x in logs if x["event"] == "rollups.folded_here"] == [reason]
    assert contents.of_core(filled.published) == before


def test_a_cycle_waits_for_parts_that_another_makes(filled: Pipeline, sail: Engine) -> None:
    """It takes them when they are made, and asks no engine."""
    before = contents.of_core(filled.published)
    held = ExitStack()
    held.enter_context(filled.layout.rollups_locked())

    def make_meanwhile(_: float) -> None:
        _make(filled, sail)
        held.close()

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=make_meanwhile)
    with held, patch("olap.layout.time", clock), _nothing_derived_here():
        _on(filled, "sc://127.0.0.1:1").rebuild()
    assert contents.of_core(filled.published) == before


def _on(pipeline: Pipeline, address: str) -> Pipeline:
    return replace(pipeline, settings=replace(pipeline.settings, fold_on=Hidden(address)))


def _never(*_: object, **__: object) -> None:
    raise AssertionError("a rollup is derived here")


@contextmanager
def _nothing_derived_here() -> Iterator[None]:
    with (
        patch("olap.rollups.derive_days", _never),
        patch("olap.rollups.derive_people", _never),
        patch("olap.rollups.derive_conversations", _never),
    ):
        yield


def test_a_first_load_with_an_engine_equals_one_without(pipeline: Pipeline, world: World) -> None:
    """The generation is the same, table by table, and no rollup was derived here."""
    fill(world)
    elsewhere = _on(pipeline.beside("engine"), "sail")
    pipeline.cycle()
    with _nothing_derived_here():
        elsewhere.cycle()
    assert contents.of_core(elsewhere.published) == contents.of_core(pipeline.published)
    # What follows is derived here from what the engine made.
    message(world, 9_999, sender_id=BEN, created_at=at(hours=3))
    pipeline.cycle()
    elsewhere.cycle()
    assert contents.of_core(elsewhere.published) == contents.of_core(pipeline.published)


def test_a_rebuild_with_an_engine_equals_one_without(filled: Pipeline, two_workers: str) -> None:
    """The rebuilt warehouse has every row that it had, though two workers made the rollups."""
    before = contents.of_core(filled.layout.warehouse)
    filled.layout.warehouse.unlink()
    with _nothing_derived_here():
        _on(filled, two_workers).rebuild()
    assert contents.of_core(filled.layout.warehouse) == before


@pytest.mark.parametrize("damage", ["a page", "a null"])
@pytest.mark.scale
def test_damaged_rollups_are_made_again(filled: Pipeline, sail: Engine, damage: str) -> None:
    """A rebuild that reads a damaged part says so; the next one has it made again."""
    expected = contents.of_core(filled.layout.warehouse)
    _make(filled, sail)
    (part, *_) = (part for part in _fresh(filled)["message_days"] if part.rows)
    # A task that had no row writes a file too.
    path = max(part.files, key=lambda one: pq.read_metadata(filled.layout.root / one).num_rows)
    file = filled.layout.root / path
    size = part.files[path]
    if damage == "a page":
        content = bytearray(file.read_bytes())
        content[4 : size // 2] = bytes(size // 2 - 4)
        file.write_bytes(content)
    else:
        whole = file.with_name("whole.parquet")
        file.rename(whole)
        duckdb.sql(
            f"copy (select * replace (nullif(text_count, text_count) as text_count) from '{whole}')"
            f" to '{file}' (format parquet)"
        )
        whole.unlink()
        manifest = filled.layout.root / part.folder / "manifest.json"
        known = json.loads(manifest.read_text())
        known["files"][path] = file.stat().st_size
        manifest.write_text(json.dumps(known))
    filled.layout.warehouse.unlink()
    with pytest.raises(EngineError, match="rollups that an engine made are damaged"):
        _on(filled, "sail").rebuild()
    assert not file.exists()
    with _nothing_derived_here():
        _on(filled, "sail").rebuild()
    assert contents.of_core(filled.layout.warehouse) == expected


def _relative(pipeline: Pipeline, folder: Path) -> str:
    return str(folder.relative_to(pipeline.layout.root))


def _folders(pipeline: Pipeline) -> set[str]:
    return {_relative(pipeline, folder) for folder in pipeline.layout.rollups.glob("*/*")}


def _age(pipeline: Pipeline) -> None:
    """Let all parts have been made more than a day ago."""
    for folder in pipeline.layout.rollups.glob("*/*"):
        os.utime(folder, (0, 0))


def test_another_error_leaves_the_parts(tmp_path: Path) -> None:
    """If memory ran out while a part was inserted, its files are not the cause, and stay."""
    file = tmp_path / "part.parquet"
    duckdb.sql(f"copy (select 1 as day) to '{file}' (format parquet)")
    discard_damaged([file], duckdb.OutOfMemoryException("failed to allocate"))
    assert file.exists()


@pytest.mark.scale
def test_what_is_not_taken_any_more_is_removed_a_day_later(
    filled: Pipeline, sail: Engine, world: World
) -> None:
    """The parts of the published generations stay; others go when they are a day old, and what a
    process has begun to write too."""
    _make(filled, sail)
    before = {part.folder for parts in _fresh(filled).values() for part in parts}
    message(world, 9_999, sender_id=BEN, created_at=at(hours=3))
    filled.cycle()
    _make(filled, sail)
    _age(filled)
    _make(filled, sail)
    assert before <= _folders(filled)  # generation 1 takes them
    filled.clock.advance(days=2)
    for hour in (4, 5):
        message(world, 10_000 + hour, sender_id=BEN, created_at=at(hours=hour))
        filled.cycle()
    begun = filled.layout.rollups / "message_days" / "begun"
    begun.mkdir()
    for folder in before:
        os.utime(filled.layout.root / folder)
    _make(filled, sail)
    assert before | {_relative(filled, begun)} <= _folders(filled)
    _age(filled)
    _make(filled, sail)
    fresh = {part.folder for parts in _fresh(filled).values() for part in parts}
    assert fresh <= _folders(filled) and not (before - fresh) & _folders(filled)
    assert not begun.exists()


def test_without_an_engine_the_rollups_are_folded_here(pipeline: Pipeline, world: World) -> None:
    """An absent engine is a warning in the log, and the generation is the same."""
    fill(world)
    pipeline.cycle()
    elsewhere = _on(pipeline.beside("engine"), "sc://127.0.0.1:1")
    with capture_logs() as logs:
        elsewhere.cycle()
    (said,) = [line for line in logs if line["event"] == "rollups.folded_here"]
    assert said["log_level"] == "warning"
    assert "not available" in said["reason"]
    assert contents.of_core(elsewhere.published) == contents.of_core(pipeline.published)


def test_an_engine_that_is_killed_meanwhile_is_continued_here(
    pipeline: Pipeline, world: World
) -> None:
    """SIGKILL of the engine after some parts: the cycle folds here, and the generation is the same.

    The next rebuild, with an engine again, takes the parts that were complete.
    """
    fill(world)
    pipeline.cycle()
    elsewhere = pipeline.beside("engine")
    written: list[str] = []
    real = SparkSession.write_parquet
    with sail_cluster(1) as cluster:

        def killed(self: SparkSession, sql: str, arguments: Any, directory: str) -> None:
            if len(written) == 5:
                cluster.server.send_signal(signal.SIGKILL)
                cluster.server.wait()
            real(self, sql, arguments, directory)
            written.append(directory)

        with patch.object(SparkSession, "write_parquet", killed), capture_logs() as logs:
            _on(elsewhere, cluster.address).cycle()
    assert len(written) == 5
    assert "rollups.folded_here" in {line["event"] for line in logs}
    expected = contents.of_core(pipeline.published)
    assert contents.of_core(elsewhere.published) == expected
    again: list[str] = []

    def counted(self: SparkSession, sql: str, arguments: Any, directory: str) -> None:
        real(self, sql, arguments, directory)
        again.append(str(Path(directory).parent.parent.name))

    elsewhere.layout.warehouse.unlink()
    with patch.object(SparkSession, "write_parquet", counted), _nothing_derived_here():
        _on(elsewhere, "sail").rebuild()
    parts = sum(map(len, _fresh(elsewhere).values()))
    assert len(again) == parts - 5
    assert contents.of_core(elsewhere.layout.warehouse) == expected


def test_a_cycle_without_news_never_asks_the_engine(filled: Pipeline, world: World) -> None:
    """Only a first load and a rebuild ask an engine; a cycle derives what is stale."""
    message(world, 9_999, sender_id=BEN, created_at=at() + timedelta(minutes=1))
    with patch("olap.engine.rollups.open_engine", _never):
        _on(filled, "sail").cycle()
    assert not filled.layout.rollups.exists()
