"""Damaged files are rebuilt from others, the log reports it, and no row is lost."""

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
from etl.sandbox.postgres import drop_database
from olap.commands import call
from olap.errors import LakeError, NewerVersionError, SourceError, WarehouseError
from olap.manifest import FORMAT, LakeFile, read_manifest
from olap.recovery import NOWHERE, missing
from olap.secret import Secret
from olap.settings import Settings
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.fix_postgres import copy_database
from tests.world import World, at

pytestmark = pytest.mark.slow

NOBODY_LISTENS = "postgresql://nobody@127.0.0.1:1/nowhere"
Damage = Callable[[Path], None]


def cut(path: Path) -> None:
    """Cut off the second half."""
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    """Cut the file to no bytes, as after a power failure."""
    os.truncate(path, 0)


def overwrite_head(path: Path) -> None:
    """Write random bytes at the beginning."""
    overwrite(path, 0, 8192)


def overwrite_tail(path: Path) -> None:
    """Write random bytes at the end, where Parquet has its footer; the length stays."""
    overwrite(path, path.stat().st_size - 200, 200)


def zero(path: Path) -> None:
    """Write zeros everywhere; the length stays."""
    path.write_bytes(bytes(path.stat().st_size))


def remove(path: Path) -> None:
    """Remove the file."""
    path.unlink()


def overwrite(path: Path, offset: int, length: int) -> None:
    """Write random bytes over a part of the file, in place."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(Random(7).randbytes(min(length, path.stat().st_size - offset)))


@pytest.fixture(scope="module")
def original(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Two generations of three days, and new rows at the source; each test has a copy."""
    name = f"test_{os.getpid()}_damage"
    url = copy_database(postgres_url, name, template_database)
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


def require_exact(pipeline: Pipeline) -> None:
    """Require that views and lake equal the source, and that no file or check is wrong."""
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert contents.offences(pipeline.published) == []
    paths: dict[str, list[str]] = {}
    for file in pipeline.manifest().files:
        paths.setdefault(file.table, []).append(file.path)
    found = contents.lake_ids(pipeline.layout.lake, paths)
    assert contents.differences(found, contents.source_ids(pipeline.url)) == {}
    assert missing(pipeline.layout, pipeline.manifest()) == NOWHERE


@pytest.mark.parametrize("damage", [cut, empty, overwrite_head, zero], ids=lambda d: d.__name__)
def test_a_damaged_warehouse_is_rebuilt_from_the_lake(
    filled: Pipeline, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next cycle rebuilds the warehouse, logs this, and reads only new rows."""
    damage(filled.layout.warehouse)
    report = filled.cycle()
    assert "warehouse.rebuild" in capsys.readouterr().out
    assert not any(table.is_full for table in report.extract.tables.values())
    require_exact(filled)


def test_a_damaged_block_of_the_warehouse_is_recovered(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random bytes in any block are found when the block is read, at the latest in the copy."""
    pristine = filled.layout.warehouse.read_bytes()
    for block in range(12_288, len(pristine) - 4096, max(len(pristine) // 3, 262_144)):
        filled.layout.warehouse.write_bytes(pristine)
        copy = filled.beside(f"block-{block}")
        shutil.copytree(filled.settings.data_dir, copy.settings.data_dir, symlinks=True)
        overwrite(copy.layout.warehouse, block + 5000, 64)
        copy.cycle()
        require_exact(copy)
    assert "warehouse.rebuild" in capsys.readouterr().out


def unpublished_log(pipeline: Pipeline) -> Path:
    """Leave commits only in the warehouse's WAL, as after a crash, and return its path."""
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


def test_a_damaged_wal_is_recovered(filled: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """A WAL that cannot be replayed is removed with its warehouse, which is rebuilt."""
    log = unpublished_log(filled)
    overwrite(log, log.stat().st_size // 2, 8)
    filled.cycle()
    assert "warehouse.rebuild" in capsys.readouterr().out
    require_exact(filled)


def test_a_warehouse_without_its_last_commit_is_rebuilt(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warehouse behind the lake is rebuilt, because DuckDB replays a cut WAL without an error."""
    behind = filled.layout.warehouse.read_bytes()
    filled.cycle()
    filled.layout.warehouse.write_bytes(behind)
    filled.cycle()
    assert "behind the lake" in capsys.readouterr().out
    require_exact(filled)


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Hold a DuckDB file open for writing in another process."""
    script = "import duckdb, sys\nc = duckdb.connect(sys.argv[1])\nprint(flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.communicate(b"\n")


def test_a_warehouse_that_is_open_elsewhere_is_kept(filled: Pipeline) -> None:
    """A locked warehouse is not damaged: the cycle stops, names the process and keeps the file."""
    before = filled.layout.warehouse.stat()
    with (
        held_open(filled.layout.warehouse),
        pytest.raises(WarehouseError, match=r"in use: .*PID \d+") as caught,
    ):
        filled.cycle()
    assert "Close the program" in caught.value.hint
    assert filled.layout.warehouse.stat().st_ino == before.st_ino
    assert filled.manifest().generation == 2
    filled.cycle()
    require_exact(filled)


def lake_file(pipeline: Pipeline, table: str, days_ago: int = 0) -> LakeFile:
    """The lake's current file of a dimension, or of a day of a fact."""
    files = [file for file in pipeline.manifest().files if file.table == table]
    return sorted(files, key=lambda file: str(file.day))[-1 - days_ago]


TABLES = ["messages", "read_receipts", "events", "users", "conversations", "participants"]


def each_table_with_one_of(damages: list[Damage], tables: list[str]) -> pytest.MarkDecorator:
    """Parameters in which every table and every damage occurs.

    The way a damage is found is the same for all tables, and the way a table is read again is the
    same for all damages, so the other pairs are equivalent.
    """
    pairs = [(table, damages[n % len(damages)]) for n, table in enumerate(tables)]
    ids = [f"{table}, {damage.__name__}" for table, damage in pairs]
    return pytest.mark.parametrize(("table", "damage"), pairs, ids=ids)


@each_table_with_one_of([cut, remove], TABLES)
def test_a_missing_or_cut_lake_file_is_read_again(
    filled: Pipeline, table: str, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing or cut file is found and logged before its use; only its day is read whole."""
    file = lake_file(filled, table, days_ago=1 if table in TABLES[:3] else 0)
    damage(filled.layout.lake / file.path)
    report = filled.cycle()
    assert "lake.damaged" in (said := capsys.readouterr().out) and file.path in said
    full = {name for name, read in report.extract.tables.items() if read.is_full}
    assert full == (
        {"read_receipts", "reactions"} if table == "messages" else {table} - set(TABLES[:3])
    )
    require_exact(filled)


@each_table_with_one_of([overwrite_tail, zero], TABLES[:3])
def test_an_unreadable_day_file_is_read_again_from_the_source(
    filled: Pipeline, table: str, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Damage that keeps the length is found when the day changes, and that cycle reads the day."""
    file = lake_file(filled, table)
    damage(filled.layout.lake / file.path)
    with World(filled.url) as world:
        world.message(20, created_at=at(hours=2))
        world.receipt(20, 3, read_at=at(hours=2))
        world.event(20, created_at=at(hours=2))
    filled.cycle()
    assert "lake.damaged" in (said := capsys.readouterr().out) and file.path in said
    require_exact(filled)


@each_table_with_one_of([remove, zero], TABLES)
def test_a_damaged_warehouse_and_lake_file_are_both_rebuilt(
    filled: Pipeline, table: str, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rebuild omits the damaged file, and the same cycle reads its rows from the source."""
    empty(filled.layout.warehouse)
    file = lake_file(filled, table)
    damage(filled.layout.lake / file.path)
    filled.cycle()
    said = capsys.readouterr().out
    assert "warehouse.rebuild" in said and file.path in said
    require_exact(filled)


@pytest.mark.parametrize("table", ["messages", "users"])
def test_an_unreachable_source_and_a_lost_file_lose_nothing(filled: Pipeline, table: str) -> None:
    """The last generation stays while lost rows cannot be read, and a later cycle reads them."""
    empty(filled.layout.warehouse)
    (filled.layout.lake / lake_file(filled, table).path).unlink()
    url, filled.url = filled.url, NOBODY_LISTENS
    with pytest.raises(SourceError):
        filled.cycle()
    assert filled.manifest().generation == 2
    filled.url = url
    filled.cycle()
    require_exact(filled)


def test_a_rebuild_names_missing_days(filled: Pipeline) -> None:
    """`rebuild`, which has no source, names the day and keeps the warehouse."""
    file = lake_file(filled, "events", days_ago=1)
    zero(filled.layout.lake / file.path)
    before = filled.layout.warehouse.stat().st_ino
    with pytest.raises(LakeError, match=f"events of {file.day}") as caught:
        filled.rebuild()
    assert "reads these again from PostgreSQL" in caught.value.hint
    assert filled.layout.warehouse.stat().st_ino == before


@pytest.mark.parametrize("damage", [remove, overwrite_tail, zero], ids=lambda d: d.__name__)
def test_verify_reads_damaged_days_again(
    filled: Pipeline, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    """`verify` finds a damaged day that no cycle changes, reads it and proves it."""
    file = lake_file(filled, "messages", days_ago=1)
    damage(filled.layout.lake / file.path)
    found = filled.verify()
    assert "lake.damaged" in (said := capsys.readouterr().out) and file.path in said
    assert found.reconciled.is_settled
    assert found.manifest.proof("messages").proved_at == found.manifest.data_through
    require_exact(filled)


def test_erase_names_an_unreadable_day(filled: Pipeline) -> None:
    """`erase`, which has no source, names the day and the remedy, and then works."""
    no_cache = Secret("redis://127.0.0.1:1/0")
    filled.settings = replace(filled.settings, redis_url=no_cache)
    file = lake_file(filled, "messages", days_ago=1)
    zero(filled.layout.lake / file.path)
    with pytest.raises(LakeError, match=f"messages of {file.day}") as caught:
        erase(filled.settings, 123_456_789, filled.clock)
    assert call("verify") in caught.value.hint
    filled.verify()
    assert erase(filled.settings, 123_456_789, filled.clock).generation > 2


def flip_a_bit_unseen(path: Path) -> None:
    """Change a value in a Parquet file so that DuckDB still reads the file without an error."""
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
    raise AssertionError("DuckDB notices every flipped bit of this file")


def test_an_unnoticed_flipped_bit_is_found_by_the_daily_proof(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """A proof finds a changed value in a page without a checksum, and the repair reads the day."""
    filled.cycle()
    file = lake_file(filled, "messages", days_ago=1)
    flip_a_bit_unseen(filled.layout.lake / file.path)
    assert filled.verify().reconciled.differences[0].day == file.day
    assert filled.verify(repair=True, may_remove=True).is_repaired
    require_exact(filled)


def test_a_damaged_manifest_of_the_lake_is_rewritten(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest is rewritten from the warehouse's ledger, even without PostgreSQL."""
    cut(filled.layout.lake_manifest)
    filled.url = NOBODY_LISTENS
    with pytest.raises(SourceError):
        filled.cycle()
    assert "lake.manifest.damaged" in capsys.readouterr().out
    assert read_manifest(filled.layout.lake_manifest).last_batch.batch == 2


def test_a_damaged_manifest_and_warehouse_are_recovered(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest generation's manifest lists the files of the lake, from which all is rebuilt."""
    cut(filled.layout.lake_manifest)
    empty(filled.layout.warehouse)
    filled.cycle()
    assert "generation 2's" in capsys.readouterr().out
    require_exact(filled)


def test_without_any_manifest_nothing_is_removed(filled: Pipeline) -> None:
    """Without any manifest a damaged warehouse is kept, and the error names the remedy."""
    cut(filled.layout.lake_manifest)
    cut(filled.layout.warehouse)
    for number in filled.generations():
        filled.layout.generation_manifest(number).unlink()
    with pytest.raises(LakeError, match="damaged") as caught:
        filled.cycle()
    assert "backup" in caught.value.hint
    assert filled.layout.warehouse.exists()
    assert filled.published.exists()


@pytest.mark.parametrize("name", ["analytics.duckdb", "manifest.json"])
@pytest.mark.parametrize("damage", [remove, cut], ids=lambda d: d.__name__)
def test_a_damaged_generation_is_published_again(
    pipeline: Pipeline, name: str, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cycle without changes publishes again when the generation or its manifest is damaged."""
    with World(pipeline.url) as world:
        world.message(1)
    pipeline.cycle()
    path = pipeline.layout.generation_directory(1) / name
    path.chmod(0o644)
    damage(path)
    assert pipeline.cycle().is_published
    assert "generation.damaged" in capsys.readouterr().out
    assert pipeline.manifest().generation == 2
    assert not pipeline.cycle().is_published
    require_exact(pipeline)


def test_a_generation_without_its_manifest_stays_without_a_source(
    filled: Pipeline,
) -> None:
    """The published file is kept when its manifest is missing."""
    filled.layout.generation_manifest(2).unlink()
    filled.url = NOBODY_LISTENS
    with pytest.raises(SourceError):
        filled.cycle()
    assert sum(contents.of_views(filled.published)["messages"].values()) == 10


def test_files_of_a_newer_version_are_not_changed(filled: Pipeline) -> None:
    """A lake or warehouse of a later format stops the cycle, and no byte is changed."""
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


def test_a_warehouse_of_an_older_version_is_rebuilt(
    filled: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warehouse without a format and with other tables is rebuilt from the lake."""
    with duckdb.connect(str(filled.layout.warehouse)) as connection:
        connection.execute("alter table core.state drop column format")
        connection.execute("update core.state set schema_fingerprint = 'older'")
    filled.cycle()
    assert "another version shaped it" in capsys.readouterr().out
    require_exact(filled)
