"""Generations: immutable, switched atomically, readable by anybody at any time."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from olap.errors import DiskFullError, PublishError
from olap.manifest import read_manifest
from olap.publish import publish
from olap.warehouse import open_warehouse
from tests import contents
from tests.fix_duckdb import Shell
from tests.fix_pipeline import Pipeline
from tests.world import World, at

# Opens the published file again and again, as analysts do; keeps some handles open meanwhile.
READER = """
import sys, duckdb
from pathlib import Path
path, stop = sys.argv[1], Path(sys.argv[2])
seen, opened, held = [], 0, []
while not stop.exists():
    connection = duckdb.connect(path, read_only=True)
    generation, = connection.execute("select generation from main.generation").fetchone()
    count, = connection.execute("select count(*) from main.messages").fetchone()
    counted, = connection.execute("select sum(message_count) from core.message_days").fetchone()
    assert count == counted, (count, counted)
    assert not seen or generation >= seen[-1], (seen[-1], generation)
    opened += 1
    if seen and seen[-1] == generation:
        connection.close()
        continue
    seen.append(generation)
    held.append((connection, generation, count))
    for old, number, rows in held[-5:]:
        assert old.execute("select count(*) from main.messages").fetchone() == (rows,)
        assert old.execute("select generation from main.generation").fetchone() == (number,)
    for old, _, _ in held[:-5]:
        old.close()
    held = held[-5:]
print(opened, len(seen), seen[-1])
"""


@pytest.mark.slow
def test_readers_never_err_while_generations_are_published(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """Three processes reopen and query the file in a tight loop: no error, never an older one."""
    stop = tmp_path / "stop"
    with World(pipeline.url) as world:
        world.message(0)
        pipeline.cycle()
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", READER, str(pipeline.published), str(stop)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        try:
            for number in range(1, 6):
                world.message(number, created_at=at(minutes=-number))
                pipeline.cycle()
            with (
                pipeline.layout.locked(),
                open_warehouse(pipeline.settings) as warehouse,
            ):
                for _ in range(35):
                    publish(warehouse, pipeline.clock())
            pipeline.cycle()
        finally:
            stop.touch()
        results = [reader.communicate(timeout=600) for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0, 0], results
    for output, _ in results:
        opened, seen, last = map(int, output.split())
        assert opened > 20 and seen > 5 and last > 30
    assert pipeline.manifest().generation == 41


def test_a_held_path_opened_again_shows_the_new_generation(pipeline: Pipeline) -> None:
    """A process that keeps an old handle gets the new generation when it opens the path again."""
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        old = duckdb.connect(str(pipeline.published), read_only=True)
        world.message(2)
        pipeline.cycle()
        new = duckdb.connect(str(pipeline.published), read_only=True)
    count = "select count(*) from messages"
    assert (old.execute(count).fetchone(), new.execute(count).fetchone()) == ((1,), (2,))
    old.close()
    new.close()


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that every account may enter; pytest's own are for one account only."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


# Becomes the account `nobody` once everything is imported: it may not reach the interpreter.
_BECOME_NOBODY = """
import os, sys, duckdb
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[3]))
"""


def _as_analyst(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code as the account `nobody`; `path` is its sys.argv[1]."""
    account = pwd.getpwnam("nobody")
    numbers = [str(account.pw_gid), str(account.pw_uid)]
    return subprocess.run(
        [sys.executable, "-c", _BECOME_NOBODY + code, str(path), *numbers],
        cwd="/",
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another account")
def test_an_unprivileged_analyst_can_read_and_not_write(
    pipeline: Pipeline, public_directory: Path
) -> None:
    """Another account opens the file for reading, and is refused for writing."""
    pipeline.settings = replace(pipeline.settings, data_dir=public_directory / "data")
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
    found = _as_analyst(
        "c = duckdb.connect(sys.argv[1], read_only=True)\n"
        "print(c.execute('select count(*) from messages').fetchone()[0])",
        pipeline.published,
    )
    assert (found.returncode, found.stdout.strip()) == (0, "1"), found.stderr
    found = _as_analyst("duckdb.connect(sys.argv[1])", pipeline.published)
    assert found.returncode != 0
    assert "Permission denied" in found.stderr or "read-only" in found.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can write a file of mode 0444")
def test_what_root_writes_into_a_generation_is_not_in_the_next(pipeline: Pipeline) -> None:
    """A generation that root opened for writing and spoiled leaves later ones clean."""
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        with duckdb.connect(str(pipeline.published.resolve())) as vandal:
            vandal.execute("create table core.graffiti as select 1 as tag")
            vandal.execute("delete from core.fact_messages")
            vandal.execute("checkpoint")
        world.message(2)
        pipeline.cycle()
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert "graffiti" not in contents.of_everything(pipeline.published)


@pytest.mark.slow
def test_when_nothing_changed_a_generation_is_published_every_quarter_of_an_hour(
    pipeline: Pipeline,
) -> None:
    """Quiet cycles publish nothing until 15 minutes have passed; then `data_through` moves on."""
    with World(pipeline.url) as world:
        world.message(1)
    first = pipeline.cycle()
    assert first.is_published
    assert not pipeline.cycle().is_published
    pipeline.clock.advance(minutes=12)
    published = [pipeline.cycle().is_published for _ in range(3)]
    assert published == [False, True, False]
    manifest = pipeline.manifest()
    assert manifest.generation == 2
    assert manifest.data_through > first.manifest.data_through


def test_the_manifest_beside_a_generation_says_what_is_in_it(pipeline: Pipeline) -> None:
    """The JSON beside a generation has its number, its time, its counts and its lake files."""
    with World(pipeline.url) as world:
        world.user(1)
        world.message(1)
        world.receipt(1)
        report = pipeline.cycle()
    manifest = read_manifest(pipeline.layout.generation_manifest(1))
    assert manifest == report.manifest
    assert json.loads(pipeline.layout.lake_manifest.read_text())["generation"] == 1
    assert {name: state.rows for name, state in manifest.tables.items()} == {
        "users": 1,
        "conversations": 0,
        "participants": 0,
        "messages": 1,
        "read_receipts": 1,
        "events": 0,
        "reactions": 0,
        "read_marks": 0,
    }
    for file in manifest.files:
        path = pipeline.layout.lake / file.path
        assert path.stat().st_size == file.bytes
        with duckdb.connect() as connection:
            count = "select count(*) from read_parquet($path)"
            assert connection.execute(count, {"path": str(path)}).fetchone() == (file.rows,)
    assert pipeline.layout.generation(1).stat().st_mode & 0o777 == 0o444


def test_a_generation_that_does_not_add_up_is_not_published(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy whose rows are not the ledger's is refused; the last generation stands."""
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        with duckdb.connect(str(pipeline.layout.warehouse)) as connection:
            connection.execute(
                "insert into core.fact_messages (created_at) values (now()::timestamp)"
            )
        world.message(2, created_at=at(days=-3))
        with pytest.raises(PublishError, match="does not match the ledger"):
            pipeline.cycle()
    assert pipeline.manifest().generation == 1
    assert pipeline.generations() == [1]


def test_a_generation_without_room_is_not_begun(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too little free disk nothing is copied, the error says so, the last one stands."""
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        world.message(2)
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
        with pytest.raises(DiskFullError, match="bytes free") as caught:
            pipeline.cycle()
        assert "Free disk space" in caught.value.hint
        monkeypatch.undo()
        assert pipeline.manifest().generation == 1
        assert pipeline.cycle().is_published
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


def test_older_versions_open_a_copied_generation(
    pipeline: Pipeline, tmp_path: Path, older_shell: Shell
) -> None:
    """The published file alone, copied away, is read by the shells of DuckDB 1.4 and 1.5."""
    with World(pipeline.url) as world:
        world.user(1, username="Zoë")
        world.conversation(1)
        world.participant(1, 1)
        world.message(1, content="text")
        world.receipt(1)
        world.event(1)
        world.reaction(1)
        pipeline.cycle()
    copy = tmp_path / "laptop.duckdb"
    copy.write_bytes(pipeline.published.read_bytes())
    views = [f"from {view}" for view in contents.SOURCE]
    rollups = "select count(*) as n from core.user_days where sent_quarter_hours_high > 0"
    *rows, counted = older_shell.ask(copy, [*views, rollups])
    assert [len(found) for found in rows] == [1] * len(contents.SOURCE)
    assert [row["username"] for found in rows for row in found if "username" in row] == ["Zoë"]
    assert counted == [{"n": 1}]
