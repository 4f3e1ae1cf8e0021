"""What a check finds, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from olap.ids import IdTypes
from olap.tables import TABLES, Table


class Level(StrEnum):
    """Whether a finding stops the pipeline or makes numbers wrong, or only slow or late."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to correct.

    Attributes:
        file: that must be changed; empty where it is the server or a role.
        message: what is wrong.
        hint: what to write or to do.
    """

    level: Level
    table: str
    file: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRelation:
    """A table of the source.

    Attributes:
        name: as the mapping writes it.
        kind: what it is; empty if it does not exist.
        rows: estimated by the server; None before its first ANALYZE.
    """

    name: str
    kind: str
    may_read: bool
    rows: int | None
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTable:
    """What became of one table.

    Attributes:
        absence: why the table is not available; empty if it is.
        is_whole: read whole in every cycle.
        unkeyed: why keys do not suffice to read it, and a scan is needed; empty if they do.
        rows: estimated by the server's planner; None where it could not be planned.
        scan_seconds: what a cycle takes at least, measured or extrapolated; None if not tried.
        load_seconds: what reading all rows takes, measured or extrapolated; None if not tried.
        sample_rows: how many rows were looked at.
        sample: of these, two, each value shortened.
    """

    name: str
    absence: str = ""
    is_whole: bool = False
    unkeyed: str = ""
    rows: int | None = None
    scan_seconds: float | None = None
    load_seconds: float | None = None
    sample_rows: int = 0
    sample: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCheck:
    """All that the check found.

    Attributes:
        load_seconds: of a first load, estimated; None where a table could not be tried.
    """

    mapping: str
    ids: IdTypes
    inexact: tuple[str, ...]
    version: str
    role: str
    database: str
    relations: tuple[CheckedRelation, ...]
    tables: tuple[CheckedTable, ...]
    findings: tuple[Finding, ...]
    load_seconds: float | None

    @property
    def errors(self) -> int:
        """How many findings stop the pipeline or make numbers wrong."""
        return sum(finding.level is Level.ERROR for finding in self.findings)


class Findings:
    """Collects findings, each once."""

    def __init__(self, mapping: str) -> None:
        self._mapping = mapping
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, *findings: Finding) -> None:
        """Add findings whose files are named within the mapping."""
        for finding in findings:
            file = finding.file and f"{self._mapping}/{finding.file}"
            key = (finding.table, finding.message)
            self._found.setdefault(key, replace(finding, file=file))

    def in_order(self) -> tuple[Finding, ...]:
        """Errors before warnings, each in the order of the tables."""
        names = ["", *(table.name for table in TABLES)]
        return tuple(
            sorted(
                self._found.values(),
                key=lambda finding: (finding.level is Level.WARNING, names.index(finding.table)),
            )
        )


def error(table: Table | None, message: str, hint: str, *, file: str | None = None) -> Finding:
    """What stops the pipeline or makes numbers wrong; by default in the table's SELECT."""
    return _finding(Level.ERROR, table, message, hint, file)


def warning(table: Table | None, message: str, hint: str, *, file: str | None = None) -> Finding:
    """What is slow, late or doubtful; by default in the table's SELECT."""
    return _finding(Level.WARNING, table, message, hint, file)


def _finding(
    level: Level, table: Table | None, message: str, hint: str, file: str | None
) -> Finding:
    if table is None:
        return Finding(level=level, table="", file=file or "", message=message, hint=hint)
    file = f"{table.name}.sql" if file is None else file
    return Finding(level=level, table=table.name, file=file, message=message, hint=hint)
