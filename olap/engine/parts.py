"""Parts: one month of one rollup that an engine has made, and whether it is still right.

Beside its Parquet files, which are written first, a part has a manifest that says what it was made
of: the lake files of the days that it depends on, what it has of users and conversations, and the
SQL. A part is *fresh* for a state of the lake if all of this is the same there, and one that is not
is never taken. A new message makes the parts of its month stale; a new user none, because no
earlier file mentions them.

Parts are made by `olap.engine.rollups`.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import duckdb
import msgspec

from olap import sqlfiles
from olap.days import ONE_DAY, DayRange
from olap.engine.lake import EngineGeneration
from olap.ids import IdTypes
from olap.layout import Layout
from olap.manifest import LakeFile
from olap.tables import ROLLUPS, Rollup
from olap.warehouse import schema_fingerprint

_ROLLUPS = {rollup.name: rollup for rollup in ROLLUPS}
# What rollups have of a dimension in them.
_ATTRIBUTES_OF = {"users": "engine/users", "conversations": "engine/conversations"}
_EVERY_KEY = 2**31 - 1


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """What rollups have of a dimension: the keys, ids and attributes up to a key, as a digest."""

    last_key: int
    count: int
    digest: int


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One month of one rollup, and what it was made of; its manifest has the same fields.

    Attributes:
        folder: its directory, relative to `DATA_DIR`.
        first, last: the first and the last day of the month.
        files: path and size of the Parquet files, relative to `DATA_DIR`.
        lake_files: path, size and rows of the lake files that it depends on.
        message_days: the days of other months whose messages it depends on.
        dimensions: what it has of users and conversations.
        sql: a digest of the SQL that made it.
    """

    rollup: str
    folder: str
    first: date
    last: date
    rows: int
    files: dict[str, int]
    lake_files: dict[str, tuple[int, int]]
    message_days: tuple[date, ...]
    dimensions: dict[str, Attributes]
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeState:
    """A state of the lake that rollups are made of.

    Attributes:
        data_dir: where an engine sees `DATA_DIR`.
        files: those of its manifest.
        ids: the types of the ids in them.
        connection: a DuckDB whose schema `core` has the tables of this version.
    """

    layout: Layout
    data_dir: str
    files: Sequence[LakeFile]
    ids: IdTypes
    connection: duckdb.DuckDBPyConnection


def months_of(state: LakeState, rollup: Rollup) -> list[DayRange]:
    """The months in which a rollup has rows, oldest first."""
    days = {file.day for file in state.files if file.table in rollup.facts and file.day}
    return sorted({_month(day) for day in days})


def fresh_parts(state: LakeState) -> dict[str, list[Part]]:
    """The parts of rollups that have a fresh one for each of their months, oldest first."""
    found = Inputs(state).fresh()
    whole = {}
    for rollup in ROLLUPS:
        months = months_of(state, rollup)
        if all((rollup.name, month) in found for month in months):
            whole[rollup.name] = [found[rollup.name, month] for month in months]
    return whole


def with_fresh_parts(layout: Layout, generation: EngineGeneration) -> EngineGeneration:
    """A generation whose rollups are read, as far as they were made of its files, not computed."""
    connection = generation.empty.connection.cursor()
    try:
        state = LakeState(
            layout=layout,
            data_dir=generation.data_dir,
            files=generation.manifest.files,
            ids=generation.empty.ids,
            connection=connection,
        )
        return replace(generation, rollups=files_of(fresh_parts(state)))
    finally:
        connection.close()


def files_of(parts: Mapping[str, Sequence[Part]]) -> dict[str, list[str]]:
    """The Parquet files of each rollup, relative to `DATA_DIR`."""
    return {name: [file for part in of for file in part.files] for name, of in parts.items()}


class Inputs:
    """What parts depend on, in one state."""

    def __init__(self, state: LakeState) -> None:
        self.state = state
        self._of_day = {(file.table, file.day): file for file in state.files}
        self._shaped_by = schema_fingerprint()

    @cached_property
    def every_key(self) -> dict[str, Attributes]:
        """What rollups have of all users and conversations."""
        return self.dimensions({})

    def around(self, month: DayRange) -> list[LakeFile]:
        """The facts' files of a month, of the day before and of the day after."""
        days = DayRange(_before(month.first), _after(month.last))
        return [file for file in self.state.files if file.day is not None and file.day in days]

    def needed(
        self, rollup: Rollup, month: DayRange, message_days: Iterable[date]
    ) -> list[LakeFile]:
        """The facts' files that a part depends on.

        Args:
            message_days: those of `Part`.
        """
        found = [file for file in self.around(month) if file.table in rollup.facts]
        if not rollup.is_by_conversation:
            found = [file for file in found if file.day is not None and file.day in month]
        known = (self._of_day.get(("messages", day)) for day in message_days)
        return [*found, *(file for file in known if file is not None)]

    def dimensions(self, up_to: Mapping[str, int]) -> dict[str, Attributes]:
        """What rollups have of users and conversations.

        Args:
            up_to: the last key that counts, by dimension; by default every one.
        """
        found = {}
        with duckdb.connect() as connection:
            for name, statement in _ATTRIBUTES_OF.items():
                file = self._of_day.get((name, None))
                attributes = Attributes(last_key=0, count=0, digest=0)
                if file is not None:
                    ((count, last_key, digest),) = sqlfiles.run(
                        connection,
                        statement,
                        files=self.state.layout.lake / file.path,
                        up_to=up_to.get(name, _EVERY_KEY),
                    )
                    attributes = Attributes(last_key=last_key, count=count, digest=digest)
                found[name] = attributes
        return found

    def sql(self, rollup: Rollup) -> str:
        """A digest of the SQL that makes a rollup: here and on an engine."""
        facts = [f"spark/facts/{name}" for name in ("messages", "read_receipts", "events")]
        return f"{sqlfiles.fingerprint([f'spark/rollups/{rollup.name}', *facts])}-{self._shaped_by}"

    def fresh(self) -> dict[tuple[str, DayRange], Part]:
        """The fresh parts by rollup and month."""
        found = {}
        known: dict[tuple[tuple[str, int], ...], dict[str, Attributes]] = {}
        for part in _parts(self.state.layout):
            up_to = {name: of.last_key for name, of in part.dimensions.items()}
            key = tuple(sorted(up_to.items()))
            if key not in known:
                known[key] = self.dimensions(up_to)
            if part.dimensions == known[key] and self._is_fresh(part):
                found[part.rollup, DayRange(part.first, part.last)] = part
        return found

    def _is_fresh(self, part: Part) -> bool:
        rollup, month = _ROLLUPS.get(part.rollup), DayRange(part.first, part.last)
        if rollup is None or part.sql != self.sql(rollup):
            return False
        needed = self.needed(rollup, month, part.message_days)
        return part.lake_files == described(needed) and all(
            _size(self.state.layout.root / path) == size for path, size in part.files.items()
        )


def described(files: Iterable[LakeFile]) -> dict[str, tuple[int, int]]:
    return {file.path: (file.bytes, file.rows) for file in files}


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _parts(layout: Layout) -> Iterator[Part]:
    """Every part with a manifest that can be read."""
    for path in sorted(layout.rollups.glob("*/*/manifest.json")):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=Part)
        except (OSError, msgspec.DecodeError):
            continue


def _month(day: date) -> DayRange:
    last = calendar.monthrange(day.year, day.month)[1]
    return DayRange(day.replace(day=1), day.replace(day=last))


def _before(day: date) -> date:
    return day if day == date.min else day - ONE_DAY


def _after(day: date) -> date:
    return day if day == date.max else day + ONE_DAY
