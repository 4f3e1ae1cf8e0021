"""What people keep, such as their dashboards: the file `STATE_DIR/state.sqlite`.

It is SQLite, because several workers write it and it must survive a restart, while the messenger's
PostgreSQL is only read and Redis may lose what it has. The API reads and writes it (`api.kept`);
its schema is here, because an erasure must forget a person in it, too (`forget`).

* A connection is opened for each call, by the thread that uses it, and waits for others no longer
  than a moment. A change is one transaction that holds the lock from its beginning.
* The journal is a rollback journal, and not WAL: two processes that switch a file to WAL together
  get "database is locked" whatever their time limit is.
* `secure_delete` overwrites what is removed, so that no free page has it.
* The file is for its account alone (0600), and for the group of the directory where the group may
  write that: so the account of the API and the one that erases may be two.
* `user_version` is the number of the steps in `_STEPS` that made the schema. A file with more of
  them is from a newer version and is left alone.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olap import sqlfiles
from olap.errors import AnalyticsError, BusyError, DiskFullError, NewerVersionError, StateError

FILE = "state.sqlite"

_STEPS = ("kept/schema",)
_WAIT_SECONDS = 1.0
# An erasure is worth waiting for; so is the lock of the whole file, which it needs in the end.
_ERASE_WAIT_SECONDS = 10.0
_REDACTED = "…"

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_REFUSED = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def reading(directory: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection to read with; None if nothing has ever been kept.

    Args:
        directory: `STATE_DIR`.

    Raises:
        BusyError, NewerVersionError, StateError: it cannot be read.
    """
    path = directory / FILE
    with _translated(path):
        if not path.exists():
            yield None
            return
        with closing(_connect(path, _WAIT_SECONDS)) as connection:
            yield connection if _version(connection, path) else None


@contextmanager
def writing(
    directory: Path, *, wait_seconds: float = _WAIT_SECONDS
) -> Iterator[sqlite3.Connection]:
    """A connection in a transaction that is alone from its beginning, and is committed at its end.

    Args:
        directory: `STATE_DIR`; it is created if it does not exist, and so is the file.
        wait_seconds: how long to wait for the lock.

    Raises:
        BusyError, DiskFullError, NewerVersionError, StateError: it cannot be written.
    """
    path = directory / FILE
    with _translated(path):
        _create(path)
        with closing(_connect(path, wait_seconds)) as connection:
            try:
                connection.execute("begin immediate")
                for step in _STEPS[_version(connection, path) :]:
                    for statement in _statements(sqlfiles.text(step)):
                        connection.execute(statement)
                connection.execute(f"pragma user_version = {len(_STEPS)}")
                yield connection
                connection.execute("commit")
            except BaseException:
                connection.rollback()
                raise


def run(connection: sqlite3.Connection, name: str, /, **parameters: Any) -> sqlite3.Cursor:
    """Execute the one statement of `sql/<name>.sql`."""
    return connection.execute(sqlfiles.text(name), parameters)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `forget` did.

    Attributes:
        things: how many of the person's own were removed.
        renamed: how many of others' had the id or a name of the person in their names.
        rest: every text that is left, in which the id or a name may be a part of something else.
    """

    things: int = 0
    renamed: int = 0
    rest: tuple[str, ...] = ()


def forget(directory: Path, subject: str, texts: Collection[str]) -> Forgotten:
    """Remove what a person keeps, and take the person out of the names of other people's things.

    Args:
        directory: `STATE_DIR`.
        subject: the person's id, as tokens have it.
        texts: the id and the names; each is replaced where it stands between characters that are
            neither letters nor digits.

    Raises:
        BusyError, DiskFullError, NewerVersionError, StateError: it cannot be written.
    """
    path = directory / FILE
    if not path.exists():
        return Forgotten()
    with writing(directory, wait_seconds=_ERASE_WAIT_SECONDS) as connection:
        things = run(connection, "kept/forget", subject=subject).rowcount
        renamed, rest = 0, list[str]()
        for id_, *values in run(connection, "kept/texts").fetchall():
            kept_name = values[1]
            values[1] = _redacted(kept_name, texts)
            if values[1] != kept_name:
                run(connection, "kept/rename", id=id_, name=values[1])
                renamed += 1
            rest += values
    with _translated(path), closing(_connect(path, _ERASE_WAIT_SECONDS)) as connection:
        # Also what a version without `secure_delete`, or somebody with a shell, has left.
        connection.execute("vacuum")
    return Forgotten(things, renamed, tuple(rest))


def _redacted(name: str, texts: Collection[str]) -> str:
    for text in sorted(texts, key=len, reverse=True):
        name = re.sub(rf"(?<![^\W_]){re.escape(text)}(?![^\W_])", _REDACTED, name)
    return name


def _create(path: Path) -> None:
    """Create the directory and an empty file, if there are none.

    SQLite itself would create a file that everybody may read; its journal gets the file's mode.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return
    group = stat.S_IRGRP | stat.S_IWGRP
    shares = path.parent.stat().st_mode & stat.S_IWGRP
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if shares:
            os.fchmod(descriptor, 0o600 | group)
    finally:
        os.close(descriptor)


def _connect(path: Path, wait_seconds: float) -> sqlite3.Connection:
    """A connection without transactions of its own, which creates no file."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=wait_seconds, isolation_level=None)
    connection.execute("pragma secure_delete = on")
    # VACUUM would copy the whole file to the directory of temporary files.
    connection.execute("pragma temp_store = memory")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The number of steps that made the schema; 0 for an empty file.

    Raises:
        NewerVersionError: there are more than this version has.
    """
    (version,) = connection.execute("pragma user_version").fetchone()
    if version > len(_STEPS):
        raise NewerVersionError(
            f"{path} has schema {version}, and this version knows {len(_STEPS)}",
            hint="Use the newer version of this program, or another STATE_DIR.",
        )
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """The statements of an SQL text."""
    statement = ""
    for part in re.split(r"(?<=;)\n", script):
        statement += part
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Translate errors of SQLite and of the file system into those that a person can act on."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        found = _error(error, path)
        if found is None:
            raise
        raise found from error


def _error(error: sqlite3.Error | OSError, path: Path) -> AnalyticsError | None:
    """The error as one of ours; None for a defect of this program."""
    if isinstance(error, OSError):
        return _refused(path, error)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    if code in _LOCKED:
        return BusyError(
            f"another process has locked {path}",
            hint="Try again in a moment. If it stays locked, end the process that has it open.",
        )
    if code == sqlite3.SQLITE_FULL:
        return DiskFullError(
            f"there is no room for {path}: {error}",
            hint="Free disk space; what was kept before is unchanged.",
        )
    if code in _REFUSED:
        return _refused(path, error)
    if code in _DAMAGED:
        return StateError(
            f"{path} is damaged: {error}",
            hint="Restore it from a backup (api/README.md says how to make one), or move it away: "
            "people then have no views and dashboards of their own.",
        )
    if code == sqlite3.SQLITE_IOERR:
        return StateError(
            f"{path} cannot be read or written: {error}",
            hint="Look for errors of the disk in the system's log.",
        )
    return None


def _refused(path: Path, error: Exception) -> StateError:
    return StateError(
        f"{path} cannot be opened or written: {error}",
        hint="Point STATE_DIR at a directory that this account may write, with all its contents.",
    )
