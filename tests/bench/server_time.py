"""The processor time that a PostgreSQL server of this machine has used, with all its processes."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")


def server_seconds(url: str) -> float:
    """Processor seconds of the server of `url` so far; the role must be a superuser.

    The kernel adds the time of a session to that of the server's first process when it ends.
    """
    with psycopg.connect(url) as connection:
        query = "select split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int"
        row = connection.execute(query).fetchone()
    assert row is not None
    first = Path(f"/proc/{row[0]}")
    children = (first / f"task/{row[0]}/children").read_text().split()
    return sum(_own(Path("/proc") / child) for child in children) + _own(first) + _ended(first)


def _own(process: Path) -> float:
    """Of one process; 0 when it has ended meanwhile."""
    return sum(_ticks(process)[11:13]) / _TICKS


def _ended(process: Path) -> float:
    """Of its children that have ended."""
    return sum(_ticks(process)[13:15]) / _TICKS


def _ticks(process: Path) -> list[int]:
    """The fields of `stat` after the name, which is in brackets and may have spaces."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it has ended, before the open or after it
        return []
    return [int(field) if field.lstrip("-").isdigit() else 0 for field in fields]
