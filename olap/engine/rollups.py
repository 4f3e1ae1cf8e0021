"""Rollups that an engine makes of the lake, kept as Parquet files below `DATA_DIR/rollups`.

They are made by UTC month, a part (`olap.engine.parts`) for each month of each rollup. Fresh parts
of all months stand for a rollup in two places: questions to an engine read them in place of
computing the rollup (`olap.engine.lake`), and a first load or a rebuild inserts them into the
warehouse in place of deriving it there (`FOLD_ON`, `olap.fold`). What is published is the same.
"""

from __future__ import annotations

import posixpath
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path
from uuid import uuid4

import duckdb
import msgspec

from olap import sqlfiles
from olap.days import DayRange
from olap.engine.lake import create_dimensions, create_facts
from olap.engine.parts import Inputs, LakeState, Part, described, fresh_parts, months_of
from olap.engine.session import Engine, open_engine
from olap.errors import EngineError
from olap.generations import manifests
from olap.layout import fsync, write_durably
from olap.manifest import LakeFile
from olap.rollups import Made
from olap.tables import ROLLUPS, Rollup
from olap.warehouse import Warehouse

# For those who began to read a part before it was stale: a cycle, a session of the API.
_STALE_SECONDS = 86_400
# Of a call; a cycle that hangs for ever is worse than one that folds here.
_FOLD_SECONDS = 6 * 3600.0
_MESSAGE_DAYS = "select distinct cast(message_created_at as date) as day from lake_read_receipts"


def made_of(warehouse: Warehouse, files: Sequence[LakeFile]) -> Made:
    """The rollups of these lake files, for a warehouse without rows: those that are not fresh yet
    are made by the engine of `FOLD_ON`.

    Args:
        warehouse: its dimensions are those of the files; its transaction may be open.

    Raises:
        EngineError: the engine is absent, refuses or fails.
        BusyError: another process has been making parts for hours.
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
    # Others may be making these parts: waiting costs less than making them twice.
    with layout.rollups_locked(wait_seconds=_FOLD_SECONDS):
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
    The caller holds `Layout.rollups_locked`.

    Args:
        engine: a session; its views are replaced.
        days: only the months of these days; None = all.

    Returns:
        How many parts were made.

    Raises:
        EngineError: the engine refuses or fails, or this process does not see what it has written.
    """
    inputs = Inputs(state)
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
    _remove_stale(inputs)
    return sum(map(len, missing.values()))


def _make_month(engine: Engine, inputs: Inputs, month: DayRange, rollups: Sequence[Rollup]) -> None:
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
    inputs: Inputs,
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
        lake_files=described(needed),
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


def discard_damaged(files: Sequence[Path], error: duckdb.Error) -> None:
    """Remove the files of parts that could not be inserted, if they are the cause.

    Args:
        error: why they were not inserted.

    Raises:
        EngineError: they are the cause, and will be made again.
    """
    if not isinstance(error, duckdb.ConstraintException):
        try:
            _read(files)
            return
        except duckdb.Error:
            pass
    for file in files:
        file.unlink(missing_ok=True)
    raise EngineError(
        f"rollups that an engine made are damaged: {error}",
        hint="Their files were removed. Do the same again: the engine makes them again.",
    ) from error


def _rows(written: Sequence[Path]) -> int:
    """How many rows an engine has written.

    Raises:
        EngineError: the files are not there, or cannot be read.
    """
    try:
        return _read(written)
    except duckdb.Error as error:
        raise EngineError(
            f"what the engine wrote cannot be read here: {error}",
            hint="ENGINE_DATA_DIR must name the same directory as DATA_DIR, on a file system that "
            "the engine's workers and this machine share.",
        ) from error


def _read(files: Sequence[Path]) -> int:
    """Read every value of these files; returns the number of rows."""
    with duckdb.connect() as connection:
        ((rows, _),) = sqlfiles.run(connection, "engine/written", files=list(files))
        return int(rows)


def _remove_stale(inputs: Inputs) -> None:
    """Remove the parts that no generation takes, and what an ended process left.

    Neither is removed on its first day: a cycle may be about to publish what it was made of.
    """
    state = inputs.state
    layout = state.layout
    states = [inputs, *(Inputs(replace(state, files=one.files)) for one in manifests(layout))]
    kept = {layout.root / part.folder for one in states for part in one.fresh().values()}
    for folder in layout.rollups.glob("*/*"):
        if folder not in kept and time.time() - folder.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
