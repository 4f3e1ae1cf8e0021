"""Damaged files: each is made anew from another, the cycle says so, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import duckdb
import pytest

from etl.erase import erase
from etl.sandbox.server import create_database, drop_database
from olap.errors import LakeError, NewerVersionError, SourceError, WarehouseError
from olap.manifest import FORMAT, LakeFile, read_manifest
from olap.recovery import NOWHERE, missing
from olap.settings import Secret, Settings
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World, at

NOBODY_LISTENS = "postgresql://nobody@127.0.0.1:1/nowhere"
Harm = Callable[[Path], None]


def cut(path: Path) -> None:
    """Lose the second half."""
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    """Lose everything, as after a power cut."""
    os.truncate(path, 0)


def overwrite_head(path: Path) -> None:
    """Random bytes at the beginning."""
    scribble(path, 0, 8192)


def overwrite_tail(path: Path) -> None:
    """Random bytes at the end, where Parquet has its footer; the length stays."""
    scribble(path, path.stat().st_size - 200, 200)


def zero(path: Path) -> None:
    """Zeros all over; the length stays."""
    path.write_bytes(bytes(path.stat().st_size))


def remove(path: Path) -> None:
    """No file any more."""
    path.unlink()


def scribble(path: Path, offset: int, length: int) -> None:
    """Put random bytes over some of a file's, in the same file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(Random(7).randbytes(min(length, path.stat().st_size - offset)))


@pytest.fixture(scope="module")
def original(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Two published generations of three days and news at the source; each test has a copy."""
    name = f"test_{os.getpid()}_damage"
    url = create_database(postgres_url, name, template=template_database)
    pipeline = Pipeline(url, Settings(data_dir=tmp_path_factory.mktemp("damage") / "data"))
    with World(url) as world:
        for number in (1, 2, 3):
            world.user(number)
            world.conversation(number)
            world.participant(number, number)
        for number in range(9):
            world.message(
                number, created_at=at(days=-(number % 3)), sender_id=1 + number % 4, content="x" * 9
            )
            world.receipt(number, 2, read_at=at(days=-(number % 3)))
            world.event(number, created_at=at(days=-(number % 3)))
        pipeline.cycle()
        world.message(10)
        pipeline.cycle()
        world.message(11, created_at=at(hours=1))
        world.event(11, created_at=at(hours=1))
    yield pipeline
    drop_database(postgres_url, name)


@pytest.fixture
def filled(original: Pipeline, tmp_path: Path) -> Pipeline:
    """A copy of the original, on the same source."""
    copy = Pipeline(
        original.url,
        replace(original.settings, data_dir=tmp_path / "data"),
        replace(original.clock),
    )
    shutil.copytree(original.settings.data_dir, copy.settings.data_dir, symlinks=True)
    return copy


def is_exact(pipeline: Pipeline) -> None:
    """What is published is what the source has, the lake has it too, and all of it adds up."""
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert contents.offences(pipeline.published) == []
    paths: dict[str, list[str]] = {}
    for file in pipeline.manifest().files:
        paths.setdefault(file.table, []).append(file.path)
    found = contents.lake_ids(pipeline.layout.lake, paths)
    assert contents.differences(found, contents.source_ids(pipeline.url)) == {}
    assert missing(pipeline.layout, pipeline.manifest()) == NOWHERE


@pytest.mark.parametrize("harm", [cut, empty, overwrite_head, zero], ids=lambda h: h.__name__)
def test_a_damaged_warehouse_is_made_anew_from_the_lake(
    filled: Pipeline, harm: Harm, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next cycle rebuilds the warehouse by itself, says so, and reads only the news."""
    harm(filled.layout.warehouse)
    report = filled.cycle()
    assert "warehouse.rebuild" in capsys.readouterr().out
    assert not any(table.is_full for table in report.extract.tables.values())
    is_exact(filled)


def test_a_block_that_is_spoiled_in_the_middle_of_the_warehouse_heals(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random bytes in any block are found when it is read, and at the latest in the copy."""
    pristine = filled.layout.warehouse.read_bytes()
    for block in range(12_288, len(pristine) - 4096, max(len(pristine) // 3, 262_144)):
        filled.layout.warehouse.write_bytes(pristine)
        scratch = filled.beside(f"block-{block}")
        shutil.copytree(filled.settings.data_dir, scratch.settings.data_dir, symlinks=True)
        scribble(scratch.layout.warehouse, block + 5000, 64)
        scratch.cycle()
        is_exact(scratch)
    assert "warehouse.rebuild" in capsys.readouterr().out


def unpublished_log(pipeline: Pipeline) -> Path:
    """Leave commits in the warehouse's log alone, as a crash after them does."""
    script = (
        "import os, duckdb, sys\n"
        "c = duckdb.connect(sys.argv[1])\n"
        "for n in range(5):\n"
        "    c.execute(f'create table core.junk_{n} as select 1 as a')\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(pipeline.layout.warehouse)], check=True)
    log = pipeline.layout.warehouse.with_suffix(".duckdb.wal")
    assert log.stat().st_size > 100
    return log


def test_a_damaged_log_heals(filled: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """A log that cannot be replayed is thrown away with its warehouse, and both are made anew."""
    log = unpublished_log(filled)
    scribble(log, log.stat().st_size // 2, 8)
    filled.cycle()
    assert "warehouse.rebuild" in capsys.readouterr().out
    is_exact(filled)


def test_a_warehouse_that_has_lost_a_commit_is_made_anew(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """DuckDB replays a log that was cut without a word; being behind the lake gives it away."""
    behind = filled.layout.warehouse.read_bytes()
    filled.cycle()
    filled.layout.warehouse.write_bytes(behind)
    filled.cycle()
    assert "behind the lake" in capsys.readouterr().out
    is_exact(filled)


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Another process has a DuckDB file open for writing."""
    script = "import duckdb, sys\nc = duckdb.connect(sys.argv[1])\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.communicate(b"\n")


def test_a_warehouse_that_somebody_has_open_is_not_thrown_away(filled: Pipeline) -> None:
    """A lock is no damage: the cycle stops, names the other process, and the file stays."""
    before = filled.layout.warehouse.stat()
    with (
        held_open(filled.layout.warehouse),
        pytest.raises(WarehouseError, match=r"in use: .*PID \d+") as caught,
    ):
        filled.cycle()
    assert "Close whatever" in caught.value.hint
    assert filled.layout.warehouse.stat().st_ino == before.st_ino
    assert filled.manifest().generation == 2
    filled.cycle()
    is_exact(filled)


def lake_file(pipeline: Pipeline, table: str, days_ago: int = 0) -> LakeFile:
    """The lake's present file of a dimension, or of a fact's day."""
    files = [file for file in pipeline.manifest().files if file.table == table]
    return sorted(files, key=lambda file: str(file.day))[-1 - days_ago]


TABLES = ["messages", "read_receipts", "events", "users", "conversations", "participants"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("harm", [cut, remove], ids=lambda h: h.__name__)
def test_a_lake_file_that_is_not_what_it_was_is_read_again(
    filled: Pipeline, table: str, harm: Harm, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing or cut file is seen before it is used, and said; that day alone is read whole."""
    file = lake_file(filled, table, days_ago=1 if table in TABLES[:3] else 0)
    harm(filled.layout.lake / file.path)
    report = filled.cycle()
    assert "lake.damaged" in (said := capsys.readouterr().out) and file.path in said
    full = {name for name, read in report.extract.tables.items() if read.is_full}
    assert full == ({"read_receipts"} if table == "messages" else {table} - set(TABLES[:3]))
    is_exact(filled)


@pytest.mark.parametrize("table", TABLES[:3])
@pytest.mark.parametrize("harm", [overwrite_tail, zero], ids=lambda h: h.__name__)
def test_a_day_file_that_cannot_be_read_is_read_again_from_the_source(
    filled: Pipeline, table: str, harm: Harm, capsys: pytest.CaptureFixture[str]
) -> None:
    """Damage that leaves the length is found when the day changes, and healed in that cycle."""
    file = lake_file(filled, table)
    harm(filled.layout.lake / file.path)
    with World(filled.url) as world:
        world.message(20, created_at=at(hours=2))
        world.receipt(20, 3, read_at=at(hours=2))
        world.event(20, created_at=at(hours=2))
    filled.cycle()
    assert "lake.damaged" in (said := capsys.readouterr().out) and file.path in said
    is_exact(filled)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("harm", [remove, zero], ids=lambda h: h.__name__)
def test_a_warehouse_and_a_file_it_is_made_from_are_both_made_anew(
    filled: Pipeline, table: str, harm: Harm, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rebuild leaves out what is lost, and the same cycle reads it from the source."""
    empty(filled.layout.warehouse)
    file = lake_file(filled, table)
    harm(filled.layout.lake / file.path)
    filled.cycle()
    said = capsys.readouterr().out
    assert "warehouse.rebuild" in said and file.path in said
    is_exact(filled)


@pytest.mark.parametrize("table", ["messages", "users"])
def test_a_source_that_is_away_while_a_file_is_lost_loses_nothing(
    filled: Pipeline, table: str
) -> None:
    """When what is lost cannot be read at once, the last generation stands; a later cycle heals."""
    empty(filled.layout.warehouse)
    (filled.layout.lake / lake_file(filled, table).path).unlink()
    url, filled.url = filled.url, NOBODY_LISTENS
    with pytest.raises(SourceError):
        filled.cycle()
    assert filled.manifest().generation == 2
    filled.url = url
    filled.cycle()
    is_exact(filled)


def test_a_rebuild_names_what_the_lake_lacks(filled: Pipeline) -> None:
    """`rebuild`, which has no source, stops before the warehouse is touched and names the day."""
    file = lake_file(filled, "events", days_ago=1)
    zero(filled.layout.lake / file.path)
    before = filled.layout.warehouse.stat().st_ino
    with pytest.raises(LakeError, match=f"events of {file.day}") as caught:
        filled.rebuild()
    assert "reads these again from PostgreSQL" in caught.value.hint
    assert filled.layout.warehouse.stat().st_ino == before


@pytest.mark.parametrize("harm", [remove, overwrite_tail, zero], ids=lambda h: h.__name__)
def test_verify_reads_again_what_it_cannot_compare(
    filled: Pipeline, harm: Harm, capsys: pytest.CaptureFixture[str]
) -> None:
    """A day that no cycle touches is found by `verify`, read from the source, and proved."""
    file = lake_file(filled, "messages", days_ago=1)
    harm(filled.layout.lake / file.path)
    found = filled.verify()
    assert "lake.damaged" in (said := capsys.readouterr().out) and file.path in said
    assert found.reconciled.is_settled
    assert found.manifest.proof("messages").proved_at == found.manifest.data_through
    is_exact(filled)


def test_erase_names_what_it_cannot_read(filled: Pipeline) -> None:
    """`erase`, which has no source, names the day and the way out, and works after it."""
    no_cache = Secret("redis://127.0.0.1:1/0")
    filled.settings = replace(filled.settings, redis_url=no_cache)
    file = lake_file(filled, "messages", days_ago=1)
    zero(filled.layout.lake / file.path)
    with pytest.raises(LakeError, match=f"messages of {file.day}") as caught:
        erase(filled.settings, 123_456_789, filled.clock)
    assert "make verify" in caught.value.hint
    filled.verify()
    assert erase(filled.settings, 123_456_789, filled.clock).generation > 2


def flip_a_bit_unseen(path: Path) -> None:
    """Change a value in a Parquet file so that DuckDB reads the file without an error."""
    pristine, query = path.read_bytes(), f"select * from read_parquet('{path}')"
    with duckdb.connect(config={"enable_external_file_cache": False}) as connection:
        before = connection.execute(query).fetchall()
        for offset in range(4, len(pristine) - 8):
            spoiled = bytearray(pristine)
            spoiled[offset] ^= 1
            path.write_bytes(spoiled)
            try:
                found = connection.execute(query).fetchall()
            except duckdb.Error:
                continue
            if len(found) == len(before) and found != before:
                return
    raise AssertionError("no bit of this file can be flipped unseen")


def test_a_bit_that_is_flipped_unseen_is_found_by_the_daily_proof(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parquet pages carry no checksum: the day's sums differ, and the repair reads it again."""
    filled.cycle()
    file = lake_file(filled, "messages", days_ago=1)
    flip_a_bit_unseen(filled.layout.lake / file.path)
    assert filled.verify().reconciled.differences[0].day == file.day
    assert filled.verify(repair=True, may_remove=True).is_repaired
    is_exact(filled)


def test_a_damaged_manifest_of_the_lake_is_written_anew(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a whole warehouse the manifest comes from its ledger, although PostgreSQL is away."""
    cut(filled.layout.lake_manifest)
    filled.url = NOBODY_LISTENS
    with pytest.raises(SourceError):
        filled.cycle()
    assert "lake.manifest.damaged" in capsys.readouterr().out
    assert read_manifest(filled.layout.lake_manifest).last_batch.batch == 2


def test_manifest_and_warehouse_are_both_damaged(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest generation's manifest still says what the lake is made of."""
    cut(filled.layout.lake_manifest)
    empty(filled.layout.warehouse)
    filled.cycle()
    assert "generation 2's" in capsys.readouterr().out
    is_exact(filled)


def test_when_nothing_says_what_the_lake_is_nothing_is_thrown_away(filled: Pipeline) -> None:
    """Without any manifest a damaged warehouse stays where it is, and the way out is named."""
    cut(filled.layout.lake_manifest)
    cut(filled.layout.warehouse)
    for number in filled.generations():
        filled.layout.generation_manifest(number).unlink()
    with pytest.raises(LakeError, match="damaged") as caught:
        filled.cycle()
    assert "backup" in caught.value.hint
    assert filled.layout.warehouse.exists()
    assert filled.published.exists()


@pytest.mark.parametrize("ending", ["duckdb", "json"])
@pytest.mark.parametrize("harm", [remove, cut], ids=lambda h: h.__name__)
def test_a_damaged_generation_is_published_again(
    pipeline: Pipeline, ending: str, harm: Harm, capsys: pytest.CaptureFixture[str]
) -> None:
    """A quiet cycle sees that the file analysts open, or its manifest, is not whole."""
    with World(pipeline.url) as world:
        world.message(1)
    pipeline.cycle()
    path = pipeline.layout.generations / f"analytics-000001.{ending}"
    path.chmod(0o644)
    harm(path)
    assert pipeline.cycle().is_published
    assert "generation.damaged" in capsys.readouterr().out
    assert pipeline.manifest().generation == 2
    assert not pipeline.cycle().is_published
    is_exact(pipeline)


def test_a_generation_without_its_manifest_answers_while_the_source_is_away(
    filled: Pipeline,
) -> None:
    """The file that analysts open is not removed for want of a manifest."""
    filled.layout.generation_manifest(2).unlink()
    filled.url = NOBODY_LISTENS
    with pytest.raises(SourceError):
        filled.cycle()
    assert sum(contents.of_views(filled.published)["messages"].values()) == 10


def test_a_newer_versions_files_are_left_alone(filled: Pipeline) -> None:
    """A lake or a warehouse of a later format stops the cycle, and no byte is changed."""
    known = filled.layout.lake_manifest.read_bytes()
    filled.layout.lake_manifest.write_bytes(
        known.replace(b'"format": %d' % FORMAT, b'"format": %d' % (FORMAT + 1))
    )
    for message in ("manifest", "warehouse"):
        before = filled.layout.warehouse.read_bytes(), filled.layout.lake_manifest.read_bytes()
        with pytest.raises(NewerVersionError, match=f"{message}.*format {FORMAT + 1}") as caught:
            filled.cycle()
        assert "newer" in caught.value.hint
        assert filled.manifest().generation == 2
        after = filled.layout.warehouse.read_bytes(), filled.layout.lake_manifest.read_bytes()
        assert after == before
        filled.layout.lake_manifest.write_bytes(known)
        with duckdb.connect(str(filled.layout.warehouse)) as connection:
            connection.execute("update core.state set format = format + 1, schema_fingerprint = ''")


def test_an_older_versions_warehouse_is_made_anew(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warehouse without a format, with other tables, is rebuilt from the lake."""
    with duckdb.connect(str(filled.layout.warehouse)) as connection:
        connection.execute("alter table core.state drop column format")
        connection.execute("update core.state set schema_fingerprint = 'older'")
    filled.cycle()
    assert "made by another version" in capsys.readouterr().out
    is_exact(filled)
