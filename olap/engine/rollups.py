"""Rollups that an engine makes of the lake, kept as Parquet files below `DATA_DIR/rollups`.

They are made by UTC month: a **part** is one month of one rollup. Beside its files, which are
written first, a part has a manifest that says what it was made of: the lake files of the days that
it depends on, what it has of users and conversations, and the SQL. A part is *fresh* for a state of
the data if all of this is the same there, and one that is not is never taken. A new message makes
the parts of its month stale; a new user none, because no earlier file mentions them.

Fresh parts of all months stand for a rollup in two places: questions to an engine read them in
place of computing the rollup (`olap.engine.lake`), and a first load or a rebuild inserts them into
the warehouse in place of deriving it there (`FOLD_ON`, `olap.fold`). What is published is the same.
"""

from __future__ import annotations

import calendar
import posixpath
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import chain
from pathlib import Path
from uuid import uuid4

import duckdb
import msgspec

from olap import sqlfiles
from olap.days import ONE_DAY, DayRange
from olap.engine.lake import EngineGeneration, create_dimensions, create_facts
from olap.engine.session import Engine, open_engine
from olap.errors import EngineError
from olap.ids import IdTypes
from olap.layout import Layout, fsync, write_durably
from olap.manifest import LakeFile
from olap.rollups import Made
from olap.tables import ROLLUPS, Rollup
from olap.warehouse import Warehouse, schema_fingerprint

_ROLLUPS = {rollup.name: rollup for rollup in ROLLUPS}
_ABANDONED_SECONDS = 7 * 86_400
# Of a call; a cycle that hangs for ever is worse than one that folds here.
_FOLD_SECONDS = 6 * 3600.0
# What rollups have of a dimension in them.
_ATTRIBUTES_OF = {"users": "engine/users", "conversations": "engine/conversations"}
_EVERY_KEY = 2**31 - 1
_MESSAGE_DAYS = "select distinct cast(message_created_at as date) as day from lake_read_receipts"


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
    found = _Inputs(state).fresh()
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


def made_of(warehouse: Warehouse, files: Sequence[LakeFile]) -> Made:
    """The rollups of these lake files, for a warehouse without rows: those that are not fresh yet
    are made by the engine of `FOLD_ON`.

    Args:
        warehouse: its dimensions are those of the files; its transaction may be open.

    Raises:
        EngineError: the engine is absent, refuses or fails.
    """
    assert warehouse.fold_on is not None
    layout = warehouse.layout
    state = LakeState(
        layout=layout,
        data_dir=warehouse.fold_on.data_dir,
        files=files,
        ids=warehouse.ids,
        connection=warehouse.connection,
    )
    parts = fresh_parts(state)
    if len(parts) < len(ROLLUPS):
        engine = open_engine(warehouse.fold_on.address.reveal(), timeout_seconds=_FOLD_SECONDS)
        try:
            make(engine, state)
        finally:
            engine.close()
        parts = fresh_parts(state)
    made: dict[str, list[list[Path]]] = {}
    for rollup in ROLLUPS:
        by_month = [[layout.root / path for path in part.files] for part in parts[rollup.name]]
        # A person has a row in each month of activity.
        lists = [list(chain(*by_month))] if rollup.is_by_person else by_month
        made[rollup.name] = [paths for paths in lists if paths]
    return made


def make(engine: Engine, state: LakeState, days: DayRange | None = None) -> int:
    """Make every part that is not fresh, month by month, and remove the stale ones.

    Each part is durable before the next one begins, so that a run that was ended is continued.

    Args:
        engine: a session; its views are replaced.
        days: only the months of these days; None = all.

    Returns:
        How many parts were made.

    Raises:
        EngineError: the engine refuses or fails, or this process does not see what it has written.
    """
    inputs = _Inputs(state)
    fresh = inputs.fresh()
    missing: dict[DayRange, list[Rollup]] = {}
    for rollup in ROLLUPS:
        for month in months_of(state, rollup):
            is_asked = days is None or (month.first <= days.last and month.last >= days.first)
            if is_asked and (rollup.name, month) not in fresh:
                missing.setdefault(month, []).append(rollup)
    if missing:
        create_dimensions(engine, state.files, state.data_dir, state.connection)
    for month, rollups in sorted(missing.items()):
        _make_month(engine, inputs, month, rollups)
    _remove_stale(state.layout, inputs)
    return sum(map(len, missing.values()))


def _make_month(
    engine: Engine, inputs: _Inputs, month: DayRange, rollups: Sequence[Rollup]
) -> None:
    state = inputs.state
    files = inputs.around(month)
    create_facts(engine, files, state.data_dir, state.ids)
    for rollup in rollups:
        if not rollup.knows_senders:
            needed = inputs.needed(rollup, month, ())
            _make_part(engine, inputs, rollup, month, needed, ())
    for rollup in rollups:
        if rollup.knows_senders:
            receipts = inputs.needed(rollup, month, ())
            create_facts(engine, receipts, state.data_dir, state.ids)
            found = engine.query(_MESSAGE_DAYS, {})
            days = tuple(sorted(day for day in found.column("day").to_pylist() if day is not None))
            needed = inputs.needed(rollup, month, days)
            create_facts(engine, needed, state.data_dir, state.ids)
            _make_part(engine, inputs, rollup, month, needed, days)


def _make_part(
    engine: Engine,
    inputs: _Inputs,
    rollup: Rollup,
    month: DayRange,
    needed: Sequence[LakeFile],
    message_days: tuple[date, ...],
) -> None:
    layout = inputs.state.layout
    name = f"{month.first:%Y-%m}-{uuid4().hex[:12]}"
    folder = layout.rollups / rollup.name / name
    folder.mkdir(parents=True)
    seen = posixpath.join(inputs.state.data_dir, layout.rollups.name, rollup.name, name, "files")
    text = sqlfiles.text(f"spark/rollups/{rollup.name}").rstrip().removesuffix(";")
    arguments: dict[str, object] = {}
    if not rollup.is_by_person:
        # The day before and the day after are there for what happens at midnight.
        text = (
            f"select * from (\n{text}\n) as made\n"  # noqa: S608 texts of our own
            f"where cast({_time(rollup)} as date) between cast(:first as date) and "
            "cast(:last as date)"
        )
        arguments = {"first": str(month.first), "last": str(month.last)}
    engine.write_parquet(text, arguments, seen)
    written = sorted((folder / "files").glob("*.parquet"))
    rows = _rows(written)
    for path in written:
        fsync(path)
    part = Part(
        rollup=rollup.name,
        folder=str(folder.relative_to(layout.root)),
        first=month.first,
        last=month.last,
        rows=rows,
        files={str(path.relative_to(layout.root)): path.stat().st_size for path in written},
        lake_files=_described(needed),
        message_days=message_days,
        dimensions=inputs.every_key,
        sql=inputs.sql(rollup),
    )
    fsync(folder)
    write_durably(folder / "manifest.json", msgspec.json.format(msgspec.json.encode(part)) + b"\n")


def _time(rollup: Rollup) -> str:
    """The column of a rollup that tells the day of a row."""
    if rollup.is_by_conversation:
        return "created_at"
    return "quarter_at" if rollup.name.endswith("_quarter_hours") else "day"


def _rows(written: Sequence[Path]) -> int:
    """How many rows an engine has written.

    Raises:
        EngineError: the files are not there, or cannot be read.
    """
    try:
        with duckdb.connect() as connection:
            ((rows,),) = sqlfiles.run(connection, "engine/written", files=list(written))
    except duckdb.Error as error:
        raise EngineError(
            f"what the engine wrote cannot be read here: {error}",
            hint="ENGINE_DATA_DIR must name the same directory as DATA_DIR, on a file system that "
            "the engine's workers and this machine share.",
        ) from error
    return int(rows)


class _Inputs:
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
        return part.lake_files == _described(needed) and all(
            _size(self.state.layout.root / path) == size for path, size in part.files.items()
        )


def _described(files: Iterable[LakeFile]) -> dict[str, tuple[int, int]]:
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


def _remove_stale(layout: Layout, inputs: _Inputs) -> None:
    """Remove parts that are not fresh, and what an ended process left a week ago."""
    kept = {layout.root / part.folder for part in inputs.fresh().values()}
    for folder in layout.rollups.glob("*/*"):
        is_whole = (folder / "manifest.json").exists()
        age = time.time() - folder.stat().st_mtime
        if folder not in kept and (is_whole or age > _ABANDONED_SECONDS):
            shutil.rmtree(folder, ignore_errors=True)


def _month(day: date) -> DayRange:
    last = calendar.monthrange(day.year, day.month)[1]
    return DayRange(day.replace(day=1), day.replace(day=last))


def _before(day: date) -> date:
    return day if day == date.min else day - ONE_DAY


def _after(day: date) -> date:
    return day if day == date.max else day + ONE_DAY
