"""A large messenger generated directly into a lake, without PostgreSQL.

The cost of metrics depends on the generation alone, so no server has to hold fifty million messages
with all their receipts and events (the bench's server keeps sixty days of them). The generator's
rows are staged as a cycle stages them, a month or two at a time, and the product's own code folds
and publishes them. Lake, rollups and generation are therefore the ones that a server would give.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from polars import selectors

from etl.sandbox.load import TableRows
from etl.sandbox.traffic import TrafficPlan, generate
from olap.days import EVERY_DAY, NO_DAY
from olap.extract import Extract, TableExtract
from olap.fold import fold
from olap.ids import IdTypes
from olap.layout import Layout
from olap.log import Timer
from olap.manifest import SourceIdentity, SourceShape
from olap.publish import publish
from olap.settings import Settings
from olap.tables import TABLE_NAMES, TABLES, Table
from olap.warehouse import Warehouse, open_warehouse
from tests.bench.source import Say

# Steps whose messages are kept for receipts, which come days after their messages.
_REMEMBERED_STEPS = 3
_STEP_MESSAGES = 2_000_000
_THREADS, _MEMORY = 2, "8GB"

_SELECTS = {
    "users": """
        select id as user_id, username, is_bot, created_at, deleted_at, true as is_new
        from rows
    """,
    "conversations": """
        select
            cast(id as uuid) as conversation_id, type as conversation_type, title, created_at,
            true as is_new
        from rows
    """,
    "participants": """
        select
            cast(conversation_id as uuid) as conversation_id, user_id, role, joined_at, left_at,
            true as is_new
        from rows
    """,
    "messages": """
        select
            cast(id as uuid) as message_id, cast(conversation_id as uuid) as conversation_id,
            sender_id, message_type, content_length, created_at, updated_at as edited_at,
            deleted_at
        from rows
    """,
    "read_receipts": """
        select
            cast(rows.message_id as uuid) as message_id, rows.user_id,
            cast(known.conversation_id as uuid) as conversation_id, rows.read_at,
            known.created_at as message_created_at
        from rows
        left join known on rows.message_id = known.id
    """,
    "events": """
        select
            cast(id as uuid) as event_id, event_type, user_id,
            cast(conversation_id as uuid) as conversation_id, created_at
        from rows
    """,
}
_NAMES = {
    "conversation_participants": "participants",
    "message_read_receipts": "read_receipts",
    "analytics_events": "events",
}

Frames = Mapping[str, pl.DataFrame]


def generated_lake(plan: TrafficPlan, directory: Path, say: Say) -> Path:
    """The `DATA_DIR` of the messenger that `plan` describes, generated unless it exists.

    Args:
        directory: the `DATA_DIR`; it gets its final name only when it is complete.
        say: receives lines about the progress.
    """
    if directory.exists():
        return directory
    draft = directory.with_name(f"{directory.name}-unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    layout = Layout(draft)
    with (
        layout.locked(),
        open_warehouse(
            Settings(data_dir=draft, memory_limit=_MEMORY, threads=_THREADS)
        ) as warehouse,
    ):
        rows, manifest = 0, None
        for number, frames in enumerate(_steps(_trimmed(generate(plan))), 1):
            rows += sum(frame.height for name, frame in frames.items() if name != "known")
            _stage(warehouse, frames)
            extract = _extract(frames, number, plan.until)
            folded = fold(warehouse, manifest, extract, Timer(), workers=_THREADS)
            manifest = folded.manifest
            say(f"generated {rows:,} rows")
        publish(warehouse, plan.until + timedelta(minutes=1))
    draft.rename(directory)
    return directory


def _trimmed(chunks: Iterable[TableRows]) -> Iterator[tuple[str, pl.DataFrame]]:
    """The tables by their names in the lake, messages without their texts."""
    for chunk in chunks:
        rows = chunk.rows
        if chunk.table == "messages":
            length = pl.col("content").str.len_chars().cast(pl.Int32).alias("content_length")
            rows = rows.with_columns(length).drop("content")
        yield _NAMES.get(chunk.table, chunk.table), rows


def _steps(tables: Iterable[tuple[str, pl.DataFrame]]) -> Iterator[Frames]:
    """The rows in portions of a few million, each with the messages (`known`) of its receipts."""
    waiting: dict[str, list[pl.DataFrame]] = {}
    known: list[pl.DataFrame] = []

    def taken() -> Frames:
        frames = {name: pl.concat(parts) for name, parts in waiting.items()}
        known.append(frames["messages"].select("id", "conversation_id", "created_at"))
        del known[:-_REMEMBERED_STEPS]
        waiting.clear()
        return frames | {"known": pl.concat(known)}

    for name, rows in tables:
        waiting.setdefault(name, []).append(rows)
        # A portion ends with a whole day; the events of a day are generated last.
        messages = sum(frame.height for frame in waiting.get("messages", ()))
        if name == "events" and messages >= _STEP_MESSAGES:
            yield taken()
    if waiting:
        yield taken()


def _stage(warehouse: Warehouse, frames: Frames) -> None:
    warehouse.forget_staged()
    connection = warehouse.connection
    for declared in TABLES:
        table = declared.name
        rows = frames.get(table, frames["known"])
        select = _SELECTS[table] if table in frames else _no_rows(declared)
        connection.register("rows", _without_zones(rows).to_arrow())
        connection.register("known", _without_zones(frames["known"]).to_arrow())
        connection.execute(f"create temporary view source_rows as {select}")
        try:
            warehouse.run("tables/stage", declared)
        finally:
            connection.execute("drop view source_rows")
            connection.unregister("known")
            connection.unregister("rows")


def _without_zones(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its times in UTC without a zone, as the extract stages them."""
    return frame.with_columns(selectors.datetime().dt.replace_time_zone(None))


def _no_rows(table: Table) -> str:
    """A SELECT with the columns of a table and no row."""
    types = {
        name: "timestamp" if name in table.times else type_
        for name, type_ in table.types(IdTypes()).items()
    }
    columns = [f"cast(null as {type_}) as {name}" for name, type_ in types.items()]
    return f"select {', '.join([*columns, 'true as is_new'])} where false"


def _extract(frames: Frames, number: int, until: datetime) -> Extract:
    """The record of such a batch, as a cycle makes it."""
    return Extract(
        source=SourceIdentity(system_identifier="generated", timeline=1, database="generated"),
        shape=SourceShape(),
        coverage=EVERY_DAY,
        snapshot=f"{number}:{number}:",
        watermark=number,
        data_through=until,
        held_back_by=None,
        ms=0,
        tables={table: _table_extract(table, frames) for table in TABLE_NAMES},
    )


def _table_extract(table: str, frames: Frames) -> TableExtract:
    rows = frames[table].height if table in frames else 0
    return TableExtract(
        relation="generated",
        columns="generated",
        counts={None: rows},
        outside_rows=0,
        is_available=True,
        rows=rows,
        bytes=0,
        ms=0,
        whole=NO_DAY,
    )
