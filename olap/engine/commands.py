"""The commands that ask an engine: `engine metric`, and `engine rollups`."""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from olap.commands import call
from olap.days import DayRange
from olap.engine import session
from olap.engine.ask import asked
from olap.engine.lake import EngineGeneration, prepare
from olap.engine.parts import LakeState, fresh_parts, with_fresh_parts
from olap.engine.questions import EmptyGeneration, Question, accepted, metric_named, values_of
from olap.engine.rollups import make
from olap.errors import PublishError, QuestionError
from olap.generations import current
from olap.layout import Layout
from olap.manifest import Manifest
from olap.paths import literal
from olap.settings import Settings
from olap.tables import ROLLUPS
from olap.terminal import show

FORMATS = ("table", "json", "csv")
_ALL = 1_000_000_000
# What DuckDB writes a file with.
_WRITTEN = {"json": "format json, array true", "csv": "format csv, header true"}


def metric(settings: Settings, options: argparse.Namespace) -> int:
    """`engine metric`"""
    manifest = _published(settings)
    generation = EngineGeneration.of(manifest, settings.seen_by_engine)
    try:
        question = _question(generation, options.name, options.parameters)
        engine = _engine(settings, options)
        try:
            prepare(engine, with_fresh_parts(Layout(settings.data_dir), generation))
            with asked(engine, question) as rows:
                print(printed(rows, options.format), end="")
        finally:
            engine.close()
    finally:
        generation.close()
    return 0


def rollups(settings: Settings, options: argparse.Namespace) -> int:
    """`engine rollups`"""
    manifest = _published(settings)
    empty = EmptyGeneration(manifest)
    try:
        state = LakeState(
            layout=Layout(settings.data_dir),
            data_dir=settings.seen_by_engine,
            files=manifest.files,
            ids=empty.ids,
            connection=empty.connection,
        )
        with state.layout.rollups_locked():
            engine = _engine(settings, options)
            try:
                count = make(engine, state, DayRange(options.first, options.last))
            finally:
                engine.close()
        whole = fresh_parts(state)
    finally:
        empty.close()
    rows = sum(part.rows for parts in whole.values() for part in parts)
    show(
        f"generation {manifest.generation}: {count} parts made; {len(whole)} of {len(ROLLUPS)} "
        f"rollups are complete and up to date, with {rows:,} rows"
    )
    return 0


def printed(rows: duckdb.DuckDBPyRelation, form: str) -> str:
    """The rows as DuckDB prints them.

    Args:
        form: one of `FORMATS`; a table has all rows and columns, whatever the terminal's width.
    """
    if form == "table":
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            rows.show(max_rows=_ALL, max_width=_ALL, max_col_width=_ALL)
        return shown.getvalue()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "rows"
        rows.query("rows", f"copy rows to '{literal(path)}' ({_WRITTEN[form]})")
        return path.read_text(encoding="utf-8")


def _engine(settings: Settings, options: argparse.Namespace) -> session.Engine:
    """A session of the engine that is named, or that the API asks.

    Raises:
        EngineError: it is absent.
    """
    known = session.IN_PROCESS if settings.engine_url is None else settings.engine_url.reveal()
    return session.open_engine(options.engine or known, timeout_seconds=options.timeout)


def _question(generation: EngineGeneration, name: str, words: Sequence[str]) -> Question:
    """The question that a person has typed.

    Raises:
        QuestionError: it is wrong; where the published file says so, in its words.
    """
    metric = metric_named(name)
    values = values_of(metric, words, generation.empty.ids)
    try:
        return generation.empty.question(metric.macro, values)
    except duckdb.Error as error:
        raise QuestionError(str(error), hint=accepted(metric)) from error


def _published(settings: Settings) -> Manifest:
    """The manifest of the newest generation.

    Raises:
        PublishError: there is none.
    """
    layout = Layout(settings.data_dir)
    manifest = current(layout)
    if manifest is None:
        raise PublishError(
            f"nothing is published in {layout.root}",
            hint=f"Run a cycle first: `{call('etl')}`.",
        )
    return manifest
