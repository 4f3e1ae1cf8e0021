"""A full or unwritable disk: one clear error, the last generation stays, the next run recovers."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from olap.errors import DiskFullError
from olap.manifest import read_manifest
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World, at

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MEGABYTE = 1024 * 1024


def run_cli(
    data_dir: Path, url: str, *, before: str = "", command: str = "run"
) -> subprocess.CompletedProcess[str]:
    """Run `python -m etl` in a process of its own, after the code `before`."""
    code = f"import sys, os, resource\nfrom etl.__main__ import main\n{before}\nsys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=600,
    )


def is_one_clear_error(finished: subprocess.CompletedProcess[str], *words: str) -> None:
    """Require exit code 1 and two lines: what happened, and what to do."""
    assert finished.returncode == 1, finished.stderr
    lines = [line for line in finished.stderr.splitlines() if not line.startswith("20")]
    assert len(lines) == 2 and lines[0].startswith("error: "), finished.stderr
    assert all(word in finished.stderr for word in words), finished.stderr


def test_a_data_dir_below_a_file_is_named(database: str, tmp_path: Path) -> None:
    """The error names a DATA_DIR that is a regular file, or below one."""
    (tmp_path / "file").write_text("not a directory")
    for directory in (tmp_path / "file", tmp_path / "file/data"):
        finished = run_cli(directory, database)
        is_one_clear_error(finished, f"DATA_DIR {directory}", "Not a directory", "Point DATA_DIR")
    assert (tmp_path / "file").read_text() == "not a directory"


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that every account may enter; only its own account may enter pytest's."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another account")
@pytest.mark.parametrize("place", [".", "lake", "warehouse.duckdb", "etl.lock"])
def test_an_unwritable_data_dir_is_named(
    place: str, pipeline: Pipeline, public_directory: Path
) -> None:
    """A part of DATA_DIR of another account is one clear error; the last generation stays."""
    pipeline.settings = replace(pipeline.settings, data_dir=public_directory / "data")
    with World(pipeline.url) as world:
        world.message(1)
    pipeline.cycle()
    with World(pipeline.url) as world:
        world.message(2, created_at=at(days=1))
    nobody = pwd.getpwnam("nobody")
    kept = public_directory / "data" / place
    for path in (public_directory / "data", *public_directory.rglob("data/**/*")):
        if path != kept and not path.is_symlink():
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    become = f"os.setgroups([]); os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})"
    finished = run_cli(public_directory / "data", pipeline.url, before=become)
    is_one_clear_error(finished, f"DATA_DIR {public_directory / 'data'}", "Permission denied")
    assert pipeline.manifest().generation == 1


@pytest.mark.parametrize("kilobytes", [1, 300, 1000])
def test_a_file_size_limit_is_a_full_disk(
    pipeline: Pipeline, kilobytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With RLIMIT_FSIZE at any size the CLI reports missing space, and the next run recovers."""
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        world.execute(
            "insert into messages (id, conversation_id, sender_id, created_at)"
            " select gen_random_uuid(), gen_random_uuid(), i, '2026-03-01'::timestamptz"
            "  - i * interval '1 minute' from generate_series(1, 4000) i"
        )
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({kilobytes * 1024},) * 2)"
    data_dir = pipeline.settings.data_dir
    finished = run_cli(data_dir, pipeline.url, before=limit)
    is_one_clear_error(finished, "no room", "Free disk space")
    assert pipeline.manifest().generation == 1
    assert sum(contents.of_views(pipeline.published)["messages"].values()) == 1
    recovered = run_cli(data_dir, pipeline.url)
    assert recovered.returncode == 0, recovered.stderr
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert contents.offences(pipeline.published) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB, which a test can fill."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(directory)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a file system needs a privilege; RLIMIT_FSIZE is tested above")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def fill_up(disk: Path) -> None:
    """Fill the file system to the last byte."""
    with (disk / "ballast").open("ab") as file:
        for size in (MEGABYTE, 4096, 1):
            try:
                while True:
                    os.write(file.fileno(), b"x" * size)
            except OSError:
                continue


STEPS: dict[str, str] = {
    "before the reading": "etl.reconcile.read_batch",
    "at the day files": "olap.fold.write_days",
    "in the transaction": "olap.fold._load",
    "at the COMMIT": "olap.fold._record",
    "at the lake's manifest": "etl.reconcile.write_durably",
    "at the rewrite": "etl.cycle._rewrite_if_bloated",
    "at the publication": "etl.cycle.publish",
    "at the copy": "olap.generation_file.copy",
    "at the generation's manifest": "olap.publish.write_durably",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_fills_up_at_any_step_loses_nothing(
    step: str, pipeline: Pipeline, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full from a step on is a DiskFullError; later the next cycle publishes all.

    The last generation stays readable meanwhile.
    """
    pipeline.settings = replace(pipeline.settings, data_dir=small_disk / "data")
    with World(pipeline.url) as world:
        world.message(1)
    pipeline.cycle()
    with World(pipeline.url) as world:
        for number in range(2, 60):
            world.message(number, created_at=at(days=-number % 5), content="x" * number)
    module, name = STEPS[step].rsplit(".", 1)
    call = getattr(sys.modules[module], name)

    def call_on_a_full_disk(*arguments: Any, **named: Any) -> Any:
        fill_up(small_disk)
        return call(*arguments, **named)

    # Without the check for free space, which would stop the cycle earlier.
    monkeypatch.setattr("olap.layout.Layout.require_space", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(f"{module}.{name}", call_on_a_full_disk)
        with pytest.raises(DiskFullError, match="no room") as caught:
            pipeline.cycle()
    assert "Free disk space" in caught.value.hint
    assert sum(contents.of_views(pipeline.published)["messages"].values()) == 1
    (small_disk / "ballast").unlink()
    pipeline.cycle()
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    assert contents.offences(pipeline.published) == []
    named = {file.path for file in read_manifest(pipeline.layout.lake_manifest).files}
    assert {p for p in named if not (pipeline.layout.lake / p).exists()} == set()
