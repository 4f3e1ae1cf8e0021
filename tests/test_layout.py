"""DATA_DIR on disk: one writer at a time, and files that are replaced atomically."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from olap import layout as layout_module
from olap.errors import AnalyticsError, BusyError
from olap.layout import Layout, write_durably

ROOT = Path(__file__).parents[1]

# Holds the lock of the DATA_DIR in argv[1] until its standard input is closed.
HOLDER = """
import sys
from pathlib import Path
from olap.layout import Layout
with Layout(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A DATA_DIR that does not exist yet."""
    return Layout(tmp_path / "data")


@contextmanager
def another_holder(layout: Layout) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(layout.root)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def attempt(layout: Layout) -> None:
    """Acquire and release the lock."""
    with layout.locked():
        pass


def test_a_second_writer_gets_the_pid_of_the_first(layout: Layout) -> None:
    """While one process holds the lock, another gets a BusyError with its pid and a hint."""
    with another_holder(layout) as holder:
        with pytest.raises(BusyError) as caught:
            attempt(layout)
        assert caught.value.message == (f"another ETL (pid {holder.pid}) writes to {layout.root}")
        assert "another DATA_DIR" in caught.value.hint


def test_a_refused_writer_leaves_the_holders_pid(layout: Layout) -> None:
    """A refused writer changes nothing: the next one gets the same pid."""
    with another_holder(layout) as holder:
        for _ in range(2):
            with pytest.raises(BusyError, match=f"pid {holder.pid}\\)"):
                attempt(layout)


def test_a_killed_writer_leaves_no_lock(layout: Layout) -> None:
    """After SIGKILL of the holder the lock is free, although the file with its pid remains."""
    with another_holder(layout) as holder:
        holder.kill()
        holder.wait()
        assert layout.lock.read_text() == f"{holder.pid}\n"
        with layout.locked():
            assert layout.lock.read_text() == f"{os.getpid()}\n"


def test_the_next_writer_is_told_of_a_failure(layout: Layout) -> None:
    """A writer learns whether the last one was killed or failed; in a new DATA_DIR, and after one
    that ended in order, nothing is reported."""

    def reported() -> bool:
        with layout.locked() as has_failed:
            return has_failed

    assert not reported()
    assert not reported()
    with pytest.raises(RuntimeError, match="in the middle"), layout.locked():
        raise RuntimeError("in the middle")
    assert reported()
    assert not reported()
    with another_holder(layout) as holder:
        holder.kill()
        holder.wait()
        assert reported()


def test_a_writer_that_ends_leaves_no_lock(layout: Layout) -> None:
    """The lock is free after the block, even if the block raises."""
    with pytest.raises(RuntimeError, match="in the middle"), layout.locked():
        raise RuntimeError("in the middle")
    attempt(layout)


def test_one_process_cannot_take_the_lock_twice(layout: Layout) -> None:
    """A second cycle in the same process is a second writer."""
    with layout.locked(), pytest.raises(BusyError, match=f"pid {os.getpid()}\\)"):
        attempt(layout)


def test_each_data_dir_has_its_own_lock(layout: Layout, tmp_path: Path) -> None:
    """Two DATA_DIRs have two writers."""
    with layout.locked(), Layout(tmp_path / "other").locked():
        assert layout.lock.exists()


def test_locking_makes_the_directories(layout: Layout) -> None:
    """Locking creates the lock file and exactly the directories that a cycle writes to."""
    with layout.locked():
        found = {path.name for path in layout.root.iterdir()}
    assert found == {"generations", "lake", "staging", "etl.lock"}


@pytest.mark.parametrize("below", ["data", "data/deeper/still"])
def test_a_data_dir_at_a_file_is_refused(tmp_path: Path, below: str) -> None:
    """A DATA_DIR that is a regular file, or is below one, is refused with a hint."""
    (tmp_path / "data").write_text("a file")
    layout = Layout(tmp_path / below)
    for use in (layout.create, lambda: attempt(layout)):
        with pytest.raises(AnalyticsError, match="cannot be used: ") as caught:
            use()
        assert str(layout.root) in caught.value.message
        assert "Point DATA_DIR at a directory" in caught.value.hint
    assert (tmp_path / "data").read_text() == "a file"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_a_data_dir_where_no_directory_can_be_created_is_refused() -> None:
    """A DATA_DIR in a file system without directories of its own is refused with a hint."""
    with pytest.raises(AnalyticsError, match="cannot be used: ") as caught:
        Layout(Path("/proc/messenger-analytics")).create()
    assert "Point DATA_DIR at a directory" in caught.value.hint


def test_names_sort_by_number(layout: Layout) -> None:
    """Paths match the module's docstring; numbers are padded so that names sort."""
    assert layout.generation(123) == layout.root / "generations/000123/analytics.duckdb"
    assert layout.generation_manifest(123) == layout.root / "generations/000123/manifest.json"
    assert layout.generation_directory(1_234_567).name == "1234567"
    assert layout.day_file("events", date(2026, 3, 1), 7) == "events/day=2026-03-01/000007.parquet"
    assert layout.dimension_file("users", 7) == "users/000007.parquet"
    assert layout.pointer == layout.root / "analytics.duckdb"


@pytest.mark.parametrize("mode", [0o644, 0o444])
def test_a_new_file_has_its_content_and_mode(tmp_path: Path, mode: int) -> None:
    """A new file has its content and its mode, and no other file remains."""
    path = tmp_path / "manifest.json"
    write_durably(path, b"new", mode=mode)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == mode
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_leaves_open_files_alone(tmp_path: Path) -> None:
    """A process that has the old file open continues to read the old content."""
    path = tmp_path / "manifest.json"
    write_durably(path, b"old bytes")
    with path.open("rb") as reader:
        write_durably(path, b"new")
        assert reader.read() == b"old bytes"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_reach_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft is flushed before it replaces the old file, the directory afterwards."""
    path, synced = tmp_path / "manifest.json", []
    path.write_bytes(b"old")

    def fsync(target: Path) -> None:
        synced.append((target.is_dir(), target.exists() and path.read_bytes()))

    monkeypatch.setattr(layout_module, "fsync", fsync)
    write_durably(path, b"new")
    assert synced == [(False, b"old"), (True, b"new")]


def test_a_failure_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk fails, the old content remains, and the next attempt leaves no draft."""
    path = tmp_path / "manifest.json"
    write_durably(path, b"old")

    def fail(target: Path) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken, pytest.raises(OSError, match="no space"):
        broken.setattr(layout_module, "fsync", fail)
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    write_durably(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_or_the_new_content(tmp_path: Path) -> None:
    """A continuous reader sees complete versions only, and never goes back."""
    path, seen, is_over = tmp_path / "manifest.json", [], threading.Event()
    versions = [f"{number:04d}".encode() * 20_000 for number in range(60)]
    write_durably(path, versions[0])

    def read_on() -> None:
        was_over = False
        while not was_over:
            was_over = is_over.is_set()
            seen.append(path.read_bytes())

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        for version in versions[1:]:
            write_durably(path, version)
    finally:
        is_over.set()
        reader.join()
    assert set(seen) <= set(versions)
    assert seen == sorted(seen)
    assert seen[-1] == versions[-1]
