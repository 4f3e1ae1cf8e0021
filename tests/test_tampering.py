"""A published file that somebody changed or locked is noticed, and published again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from olap.damage import changed, damage
from olap.generations import current
from olap.layout import Layout
from olap.status import Level, status
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World

# Opens a file for writing, writes a table, and then waits or dies as it is told.
_WRITER = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("create table core.graffiti as select 1 as tag")
print("written", flush=True)
if sys.argv[2] == "dies":
    os._exit(1)
sys.stdin.read()
"""


@pytest.fixture
def filled(pipeline: Pipeline) -> Pipeline:
    """A generation with one message, which its owner could write."""
    with World(pipeline.url) as world:
        world.message(1)
    pipeline.cycle()
    pipeline.published.resolve().chmod(0o644)
    return pipeline


def found(pipeline: Pipeline) -> str | None:
    """What was done to the published file."""
    manifest = current(pipeline.layout)
    assert manifest is not None
    return damage(pipeline.layout, manifest)


def require_notice_and_renewal(pipeline: Pipeline, reason: str) -> None:
    """Status names the reason, and the next cycle publishes an exact generation."""
    assert reason in (found(pipeline) or "nothing")
    told = status(pipeline.layout, pipeline.manifest().data_through, interval_seconds=300)
    assert told.level is Level.CRITICAL
    (text,) = told.reasons
    assert text.startswith("generation 1 is not as it was published: ") and reason in text
    assert text.endswith("; the next cycle publishes a new one")
    assert pipeline.cycle().is_published
    assert pipeline.manifest().generation == 2
    assert found(pipeline) is None
    again = status(pipeline.layout, pipeline.manifest().data_through, interval_seconds=300)
    assert (again.level, again.reasons) == (Level.OK, ())
    assert not pipeline.cycle().is_published
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert "graffiti" not in contents.of_everything(pipeline.published)


@contextmanager
def writer(file: Path, then: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has written to the file."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(file.resolve()), then],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_generation_as_it_was_published_is_sound(filled: Pipeline, tmp_path: Path) -> None:
    """Reading it, its mode, and a copy of the whole DATA_DIR with its times are no damage."""
    with duckdb.connect(str(filled.published), read_only=True) as reader:
        assert reader.execute("select count(*) from messages").fetchone() == (1,)
    assert found(filled) is None
    copy = tmp_path / "copy"
    shutil.copytree(filled.layout.root, copy, symlinks=True)
    manifest = current(Layout(copy))
    assert manifest is not None and damage(Layout(copy), manifest) is None


def test_a_file_that_duckdb_has_changed_is_noticed(filled: Pipeline) -> None:
    """Rows that somebody wrote into the file are noticed by its time."""
    file = filled.published.resolve()
    modified = file.stat().st_mtime - 10
    os.utime(file, (modified, modified))
    require_notice_and_renewal(filled, "it was modified at ")


def test_a_change_whose_time_was_set_back_is_noticed(filled: Pipeline) -> None:
    """A file that DuckDB has changed has other headers, also with the size and time of before."""
    file = filled.published.resolve()
    before = file.stat()
    with duckdb.connect(str(file)) as vandal:
        vandal.execute("delete from core.fact_messages")
        vandal.execute("checkpoint")
    assert file.stat().st_size == before.st_size
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    require_notice_and_renewal(filled, "its headers have changed")


def test_a_byte_in_the_middle_is_noticed(filled: Pipeline) -> None:
    """A byte that something else wrote is noticed by the time of the file."""
    file = filled.published.resolve()
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(b"x")
    os.utime(file, (0, 0))
    require_notice_and_renewal(filled, "it was modified at 1970-01-01 00:00:00 UTC")


def test_the_log_of_a_writer_is_noticed(filled: Pipeline) -> None:
    """What a killed writer left in its log is read by everybody, although no byte has changed."""
    with writer(filled.published, "dies") as process:
        process.wait(timeout=600)
    with duckdb.connect(str(filled.published.resolve()), read_only=True) as reader:
        assert reader.execute("select tag from core.graffiti").fetchone() == (1,)
    require_notice_and_renewal(filled, "left analytics.duckdb.wal")


def test_a_writer_that_locks_the_file_is_named(filled: Pipeline) -> None:
    """While a process has the file open for writing nobody reads it; it is named, and passed by."""
    file = filled.published.resolve()
    code = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    command = [sys.executable, "-c", code, str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        try:
            with pytest.raises(duckdb.IOException, match=rf"lock.*\(PID {process.pid}\)"):
                duckdb.connect(str(file), read_only=True)
            require_notice_and_renewal(filled, f"process {process.pid} has it open for writing")
        finally:
            process.kill()


def test_a_process_that_reads_keeps_its_lock(filled: Pipeline) -> None:
    """`changed` opens no descriptor: a reader that asks still keeps writers out."""
    manifest = current(filled.layout)
    assert manifest is not None and manifest.file is not None
    file = filled.published.resolve()
    code = "import sys, duckdb; duckdb.connect(sys.argv[1])"
    with duckdb.connect(str(file), read_only=True):
        assert changed(file, manifest.file) is None
        refused = subprocess.run(
            [sys.executable, "-c", code, str(file)], capture_output=True, text=True
        )
    assert refused.returncode != 0
    assert f"(PID {os.getpid()})" in refused.stderr


def test_a_manifest_of_an_earlier_version_says_nothing(filled: Pipeline) -> None:
    """Where the manifest does not describe the file, it is not compared."""
    path = filled.layout.generation_manifest(1)
    content = path.read_bytes()
    start, end = content.index(b',\n "file": {'), content.rindex(b"}")
    path.chmod(0o644)
    path.write_bytes(content[:start] + b"\n" + content[end:])
    os.utime(filled.published.resolve(), (0, 0))
    assert found(filled) is None
