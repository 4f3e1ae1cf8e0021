"""What keeps a DATA_DIR in order: collection, rewriting, rebuilding, and one writer at a time."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from olap.days import EVERY_DAY
from olap.errors import BusyError, SourceError
from olap.manifest import read_manifest
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World, at


def as_after_a_kill(pipeline: Pipeline) -> None:
    """Leave the lock as a killed writer does: free, with its pid."""
    pipeline.layout.lock.write_text("4711\n")


def test_collection_keeps_three_generations_and_the_young_and_what_they_name(
    pipeline: Pipeline,
) -> None:
    """Generations beyond three go when 15 minutes old; lake files go when none names them."""
    with World(pipeline.url) as world:
        for number in range(6):
            world.message(1, content="x" * number)
            pipeline.cycle()
        assert pipeline.generations() == [1, 2, 3, 4, 5, 6]
        assert len(list(pipeline.layout.lake.rglob("messages/*/*.parquet"))) == 6
        pipeline.clock.advance(minutes=12)
        pipeline.cycle()
    assert pipeline.generations() == [4, 5, 6]
    kept = {path.stem for path in pipeline.layout.lake.rglob("messages/*/*.parquet")}
    assert kept == {"000004", "000005", "000006"}
    named = {
        file.path
        for number in (4, 5, 6)
        for file in read_manifest(pipeline.layout.generation_manifest(number)).files
    }
    found = {
        str(path.relative_to(pipeline.layout.lake))
        for path in pipeline.layout.lake.rglob("*.parquet")
    }
    assert found == named


def test_what_a_crash_left_behind_is_removed(pipeline: Pipeline) -> None:
    """Day files nothing names, drafts of generations and scratch are gone after the next cycle."""
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        left = [
            pipeline.layout.lake / "messages/day=2020-01-01/000009.parquet",
            pipeline.layout.generations / ".000009/analytics.duckdb",
            pipeline.layout.staging / "spilled",
        ]
        for path in left:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"half")
        as_after_a_kill(pipeline)
        pipeline.cycle()
    assert [path for path in left if path.exists()] == []
    assert not left[0].parent.exists() and not left[1].parent.exists()


def test_a_cycle_collects_where_it_wrote_and_once_a_day_everywhere(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cycle looks for superfluous files in the days that it rebuilt; one with proofs, which are
    daily, looks through the whole lake."""
    lake = pipeline.layout.lake

    def orphan(day: str) -> Path:
        path = lake / f"messages/day={day}/000099.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
        return path

    with World(pipeline.url) as world:
        world.message(1, created_at=at(days=-1))
        pipeline.cycle()
        elsewhere, here = orphan("2020-01-01"), orphan(f"{at(days=-1):%Y-%m-%d}")
        world.message(2, created_at=at(days=-1))
        pipeline.cycle()
        assert (elsewhere.exists(), here.exists()) == (True, False)
        monkeypatch.setattr("etl.cycle.due", lambda *_, **__: {"users": EVERY_DAY})
        pipeline.cycle()
        assert not elsewhere.exists()


def test_a_second_etl_beside_the_first_is_refused(pipeline: Pipeline) -> None:
    """While one process holds the DATA_DIR a cycle is refused and names it."""
    with (
        pipeline.layout.locked(),
        pytest.raises(BusyError, match=str(os.getpid())),
    ):
        pipeline.cycle()


def test_a_bloated_warehouse_is_written_anew(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past 1.3 times its fresh size the warehouse is rewritten, with the same contents."""
    monkeypatch.setattr("olap.warehouse.REWRITE_BYTES_MIN", 0)
    with World(pipeline.url) as world:
        for number in range(40):
            world.message(number, created_at=at(days=-number))
        pipeline.cycle()
        with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
            connection.execute("update core.state set fresh_bytes = fresh_bytes // 2")
        bloated = pipeline.layout.warehouse.stat()
        world.message(99)
        pipeline.cycle()
    rewritten = pipeline.layout.warehouse.stat()
    assert rewritten.st_ino != bloated.st_ino
    with duckdb.connect(str(pipeline.layout.warehouse), read_only=True) as connection:
        fresh = connection.execute("select fresh_bytes, fresh_rows from core.state").fetchone()
    assert fresh is not None and fresh[1] == 41
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    scratch = pipeline.beside("scratch")
    scratch.cycle()
    found = contents.of_core(pipeline.published)
    assert contents.differences(found, contents.of_core(scratch.published)) == {}


def test_a_lost_warehouse_is_made_anew_from_the_lake(pipeline: Pipeline) -> None:
    """Without its warehouse, or with one of another version, a cycle goes on from the lake."""
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        pipeline.layout.warehouse.unlink()
        world.message(2)
        report = pipeline.cycle()
        assert not report.extract.tables["messages"].is_full
        with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
            connection.execute("update core.state set schema_fingerprint = 'another'")
            connection.execute("alter table core.fact_messages drop column edited_at")
        world.message(3)
        report = pipeline.cycle()
    assert report.extract.tables["messages"].rows == 1
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


@pytest.mark.parametrize("has_lake", [True, False])
def test_a_warehouse_without_a_state_is_never_filled_twice(
    pipeline: Pipeline, has_lake: bool
) -> None:
    """Rows without the state they belong to are thrown away, not loaded beside themselves."""
    with World(pipeline.url) as world:
        world.message(1)
        world.receipt(1)
        pipeline.cycle()
        before = contents.of_core(pipeline.published)
    with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
        connection.execute("delete from core.state")
    if not has_lake:
        pipeline.layout.lake_manifest.unlink()
    pipeline.cycle()
    assert contents.differences(contents.of_core(pipeline.layout.warehouse), before) == {}
    assert contents.offences(pipeline.layout.warehouse) == []


def test_a_rebuild_needs_no_source(pipeline: Pipeline) -> None:
    """`rebuild` makes warehouse and generation from the lake alone."""
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
    before = contents.of_core(pipeline.published)
    pipeline.url = "postgresql://nobody@127.0.0.1:1/nowhere"
    manifest = pipeline.rebuild()
    assert manifest.generation == 2
    assert contents.differences(contents.of_core(pipeline.published), before) == {}


def test_a_manifest_behind_the_ledger_catches_up_before_anything_is_removed(
    pipeline: Pipeline,
) -> None:
    """After a crash past the commit the lake's manifest names what collection leaves there."""
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        behind = pipeline.layout.lake_manifest.read_bytes()
        world.message(2)
        pipeline.cycle()
    pipeline.layout.lake_manifest.write_bytes(behind)
    as_after_a_kill(pipeline)
    pipeline.url = "postgresql://nobody@127.0.0.1:1/nowhere"
    with pytest.raises(SourceError):
        pipeline.cycle()
    assert read_manifest(pipeline.layout.lake_manifest).last_batch.batch == 2


class Killed(BaseException):
    """Stands for a SIGKILL at a step that a test chose."""


def test_the_generation_that_is_open_is_never_collected(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer generations that were never switched to do not push out the one analysts open."""
    pipeline.settings = replace(pipeline.settings, keep_generations=2, grace_seconds=0)

    def stop(*_: object) -> None:
        raise Killed

    with World(pipeline.url) as world:
        world.message(1)
    pipeline.cycle()
    monkeypatch.setattr("olap.publish._switch", stop)
    for _ in range(2):
        with pytest.raises(Killed):
            pipeline.rebuild()
    pipeline.url = "postgresql://nobody@127.0.0.1:1/nowhere"
    with pytest.raises(SourceError):
        pipeline.cycle()
    assert pipeline.published.exists()


def test_a_draft_of_the_symlink_is_collected(pipeline: Pipeline) -> None:
    """A symlink that a killed publication had not put in its place is gone after a cycle."""
    pipeline.cycle()
    draft = pipeline.layout.root / ".analytics.duckdb.tmp"
    draft.symlink_to("generations/000099/analytics.duckdb")
    pipeline.cycle()
    assert not draft.is_symlink()


def test_generations_of_an_earlier_version_go_when_a_new_one_is_published(
    pipeline: Pipeline,
) -> None:
    """Files that were generations before 0.2 stay while they serve, and are then removed."""
    pipeline.cycle()
    generations = pipeline.layout.generations
    old = [generations / "analytics-000007.duckdb", generations / "analytics-000007.json"]
    for path in old:
        path.write_bytes(b"old")
    pipeline.layout.pointer.unlink()
    pipeline.layout.pointer.symlink_to("generations/analytics-000007.duckdb")
    url, pipeline.url = pipeline.url, "postgresql://nobody@127.0.0.1:1/nowhere"
    with pytest.raises(SourceError):
        pipeline.cycle()
    assert [path for path in old if path.exists()] == old
    pipeline.url = url
    assert pipeline.cycle().is_published
    assert [path for path in old if path.exists()] == []
    assert pipeline.generations() == [1, 2]
