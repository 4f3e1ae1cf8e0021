"""What people keep: the file, its errors, and what an erasure leaves of a person in it."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from olap import kept
from olap.errors import AnalyticsError, BusyError, DiskFullError, NewerVersionError, StateError
from olap.kept import FILE, Forgotten, forget, reading, run, writing

ROOT = Path(__file__).parents[1]
# What nothing else contains.
PERSON, NAME = "7345678901234567", "Wilhelmina Unmistakable"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A STATE_DIR that does not exist yet."""
    return tmp_path / "a state"


def keep(directory: Path, id_: str, *, subject: str = "boss", name: str = "a thing") -> None:
    """Keep a thing."""
    with writing(directory) as connection:
        run(
            connection, "kept/create", id=id_, kind="view", role="admin", subject=subject,
            name=name, is_shared=False, changed_at="2026-11-01T00:00:00+00:00", body="{}",
        )  # fmt: skip


def names(directory: Path) -> dict[str, str]:
    """The names of all things by their ids."""
    with reading(directory) as connection:
        assert connection is not None
        return {row[0]: row[2] for row in run(connection, "kept/texts")}


def mode(path: Path) -> int:
    """The permission bits of a file or a directory."""
    return path.stat().st_mode & 0o777


def pragma(directory: Path, name: str) -> Any:
    """What a pragma of SQLite says of the file."""
    with closing(sqlite3.connect(directory / FILE)) as connection:
        return connection.execute(f"pragma {name}").fetchone()[0]


def test_the_file_is_private_and_has_a_number(directory: Path) -> None:
    """The directory and the file are for their account alone; the schema has the number of its
    steps, and the journal is not WAL."""
    keep(directory, "1")
    assert (mode(directory), mode(directory / FILE)) == (0o700, 0o600)
    assert [path.name for path in directory.iterdir()] == [FILE]
    assert (pragma(directory, "user_version"), pragma(directory, "journal_mode")) == (1, "delete")


def test_a_group_that_may_write_the_directory_may_write_the_file(directory: Path) -> None:
    """So the accounts of the API and of the erasure may be two; others still read nothing."""
    directory.mkdir()
    directory.chmod(0o2770)
    keep(directory, "1")
    assert mode(directory / FILE) == 0o660


def test_reading_makes_nothing(directory: Path) -> None:
    """Where nothing was kept, reading and forgetting find nothing and create no file, so an account
    that may only read works; an empty file is nothing, too."""
    for _ in range(2):
        with reading(directory) as connection:
            assert connection is None
        assert forget(directory, PERSON, {NAME}) == Forgotten()
        assert not directory.exists()
    directory.mkdir()
    (directory / FILE).touch()
    with reading(directory) as connection:
        assert connection is None
    keep(directory, "1")
    assert names(directory) == {"1": "a thing"}


def test_a_change_that_fails_leaves_nothing(directory: Path) -> None:
    """An exception in the block undoes it, also that of the first change, which makes the tables;
    and so does the death of the process."""
    with pytest.raises(RuntimeError), writing(directory):
        raise RuntimeError
    assert pragma(directory, "user_version") == 0
    keep(directory, "1")
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom olap.kept import run, writing\n"
        "with writing(Path(sys.argv[1])) as connection:\n"
        "    connection.execute('pragma cache_size = 1')\n"
        "    for _ in range(1000):\n"
        "        run(connection, 'kept/rename', id='1', name='x' * 100_000)\n"
        "    os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, directory], cwd=ROOT)
    assert killed.returncode == -9
    assert (directory / f"{FILE}-journal").exists()
    assert names(directory) == {"1": "a thing"}


def fails(directory: Path) -> AnalyticsError:
    """The error of keeping a thing."""
    with pytest.raises(AnalyticsError) as caught:
        keep(directory, "2")
    assert str(directory) in caught.value.message and caught.value.hint
    return caught.value


def test_a_newer_file_is_left_alone(directory: Path) -> None:
    """A file with more steps than this version has is neither read nor written."""
    keep(directory, "1")
    with closing(sqlite3.connect(directory / FILE)) as connection:
        connection.execute("pragma user_version = 2")
    before = (directory / FILE).read_bytes()
    assert isinstance(fails(directory), NewerVersionError)
    with pytest.raises(NewerVersionError, match="has schema 2"), reading(directory):
        pass
    assert (directory / FILE).read_bytes() == before


@pytest.mark.parametrize("damage", [b"not a database, " * 300, b""])
def test_a_damaged_file_is_named(directory: Path, damage: bytes) -> None:
    """A file of something else, and one that lost its end, are StateErrors that lead to the
    backup; nothing is written over them."""
    for number in range(200):
        keep(directory, str(number), name="x" * 100)
    path = directory / FILE
    left = damage or path.read_bytes()[:9000]
    path.write_bytes(left)
    with pytest.raises(StateError, match="damaged") as caught, reading(directory) as connection:
        assert connection is not None
        run(connection, "kept/texts").fetchall()
    assert "Restore it from a backup" in caught.value.hint
    assert path.read_bytes() == left


def test_a_locked_file_is_busy(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the lock, nobody waits longer than they may."""
    monkeypatch.setattr(kept, "_WAIT_SECONDS", 0.0)
    keep(directory, "1")
    with closing(sqlite3.connect(directory / FILE, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(BusyError), writing(directory, wait_seconds=0.0):
            pass
        with pytest.raises(BusyError), reading(directory):
            pass
    assert names(directory) == {"1": "a thing"}


def test_a_full_disk_loses_nothing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change for which there is no room fails, and what was kept before is unchanged."""
    keep(directory, "1")
    connect = kept._connect

    def connect_to_full(path: Path, wait_seconds: float) -> sqlite3.Connection:
        connection = connect(path, wait_seconds)
        connection.execute("pragma max_page_count = 1")
        return connection

    with monkeypatch.context() as full:
        full.setattr(kept, "_connect", connect_to_full)
        with pytest.raises(DiskFullError, match="no room"):
            keep(directory, "2", name="x" * 100_000)
    assert names(directory) == {"1": "a thing"}


@pytest.mark.parametrize("obstacle", ["the directory is a file", "the file is a directory"])
def test_what_cannot_be_opened_is_named(directory: Path, obstacle: str) -> None:
    """The error names the file and says what STATE_DIR should be."""
    if obstacle == "the directory is a file":
        directory.touch()
    else:
        (directory / FILE).mkdir(parents=True)
    error = fails(directory)
    assert isinstance(error, StateError)
    assert "Point STATE_DIR at a directory" in error.hint


def test_what_is_removed_is_overwritten(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thing that is removed leaves no byte, also where SQLite is built to leave them."""
    connect = sqlite3.connect

    def connect_careless(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.execute("pragma secure_delete = off")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_careless)
    keep(directory, "1", name=NAME)
    keep(directory, "2")
    with writing(directory) as connection:
        run(connection, "kept/remove", id="1")
    assert NAME.encode() not in (directory / FILE).read_bytes()


def test_a_person_is_forgotten(directory: Path) -> None:
    """Their things go in every role, and their id and names out of the names of others' things,
    as whole words; no byte is left, also of what somebody removed without overwriting it."""
    for number in range(50):
        keep(directory, f"own {number}", subject=PERSON, name=f"mine {number} " * 100)
    keep(directory, "1", name=f"{NAME}'s month, of {PERSON}")
    part = f"{NAME}s and {PERSON}0"
    keep(directory, "2", name=part)
    keep(directory, "3", subject=f"{PERSON}0")
    with closing(sqlite3.connect(directory / FILE)) as careless, careless:
        careless.execute("pragma secure_delete = off")
        careless.execute("delete from things where id >= 'own 3'")
    wanted = [b"mine", f"{NAME}'".encode()]
    assert all(text in (directory / FILE).read_bytes() for text in wanted)
    found = forget(directory, PERSON, {PERSON, NAME})
    assert (found.things, found.renamed) == (23, 1)
    assert names(directory) == {"1": "…'s month, of …", "2": part, "3": "a thing"}
    assert not any(text in (directory / FILE).read_bytes() for text in wanted)
    assert [path.name for path in directory.iterdir()] == [FILE]
    # What is a part of something else stays, and is told.
    assert {f"{PERSON}0", part} <= set(found.rest)


def test_a_thing_that_was_renamed_has_a_new_version(directory: Path) -> None:
    """The version changes, so an open editor notices; a second run changes nothing."""
    keep(directory, "1", name=NAME)
    assert [forget(directory, PERSON, {NAME}).renamed for _ in range(2)] == [1, 0]
    with reading(directory) as connection:
        assert connection is not None
        row = run(connection, "kept/find", id="1", role="admin", subject="boss").fetchone()
    assert (row[3], row[5]) == ("…", 2)


def test_the_documented_backup_is_a_copy(directory: Path, tmp_path: Path) -> None:
    """The statement in the README copies the file while it is in use."""
    readme = (ROOT / "api" / "README.md").read_text(encoding="utf-8")
    (documented,) = re.findall(r'^ +sqlite3 "\$STATE_DIR/state.sqlite" "(.*)"$', readme, re.M)
    statement = documented.replace("/backup", str(tmp_path))
    keep(directory, "1")
    with reading(directory), closing(sqlite3.connect(directory / FILE)) as shell:
        shell.execute(statement)
    copy = tmp_path / "copy"
    copy.mkdir()
    (tmp_path / FILE).rename(copy / FILE)
    assert names(copy) == {"1": "a thing"}
    assert forget(copy, "boss", set()).things == 1
