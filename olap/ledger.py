"""The ledger: what the warehouse records about itself, as tables beside the data.

It holds the batches, how far each table has been read, and the files of the lake, because these
must move in the transaction that moves the data. Read as a whole it is a `Manifest`. The caller
opens the transaction around several `record_*`; a single one is atomic by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from olap import timezones
from olap.commands import call
from olap.days import EVERY_DAY, DayRange, DaySet, day_set
from olap.errors import NewerVersionError, WarehouseError
from olap.ids import IdType, IdTypes
from olap.manifest import (
    FORMAT,
    Batch,
    FeedState,
    LakeFile,
    Manifest,
    Mode,
    SourceIdentity,
    SourceShape,
    TableState,
    naive_utc,
    utc,
)
from olap.warehouse import Warehouse, schema_fingerprint, views_fingerprint


def read(warehouse: Warehouse) -> Manifest | None:
    """Read the ledger; None before the first commit.

    Raises:
        WarehouseError: the ledger is inconsistent.
        NewerVersionError: a newer version wrote it.
    """
    states = warehouse.records("ledger/read_state")
    if not states:
        return None
    state = states[0]
    if state.get("format", 0) > FORMAT:
        raise NewerVersionError(
            f"the warehouse {warehouse.layout.warehouse} has format {state['format']}, "
            f"this version knows {FORMAT}",
            hint="Use the version that wrote it, or a newer one.",
        )
    batches = tuple(_batch(row) for row in warehouse.records("ledger/read_batches"))
    if not batches:
        raise WarehouseError(
            f"the ledger of {warehouse.layout.warehouse} has a state but no batch",
            hint=f"Run `{call('rebuild')}`: it rebuilds the warehouse from the lake.",
        )
    generated_at = state["generated_at"]
    return Manifest(
        generation=state["generation"],
        generated_at=utc(generated_at) if generated_at else None,
        schema_fingerprint=state["schema_fingerprint"],
        source=SourceIdentity(
            system_identifier=state["system_identifier"],
            timeline=state["timeline"],
            database=state["database_name"],
        ),
        shape=_shape(state),
        changed_in_batch=state["changed_in_batch"],
        coverage=_coverage(state.get("first_days"), state.get("last_days")),
        batches=batches,
        tables={
            row["table_name"]: TableState(
                # The column was named `base` in format 1.
                watermark=row["watermark"] if "watermark" in row else row["base"],
                relation=row["relation"],
                columns=row["columns"],
                source_rows=row["source_rows"],
                rows=row["row_count"],
                outside_rows=row.get("outside_rows", 0),
                # Format 2 had an empty relation for a table that the source lacks.
                is_available=row.get("is_available", bool(row["relation"])),
                refused_rows=row.get("refused_rows", 0),
            )
            for row in warehouse.records("ledger/read_table_states")
        },
        files=tuple(
            LakeFile(
                table=row["table_name"],
                day=row["day"],
                path=row["path"],
                batch=row["batch"],
                rows=row["row_count"],
                bytes=row["byte_count"],
                proved_at=utc(row["proved_at"]) if row.get("proved_at") else None,
            )
            for row in warehouse.records("ledger/read_lake_files")
        ),
        feed=_feed(state),
    )


def record_files(
    warehouse: Warehouse,
    replaced: Sequence[tuple[str, date | None]],
    files: Sequence[LakeFile],
) -> None:
    """Record `files` in place of those of the (table, day) pairs `replaced`."""
    if replaced:
        warehouse.run(
            "ledger/forget_files",
            tables=[table for table, _ in replaced],
            days=[day for _, day in replaced],
        )
    if files:
        warehouse.run(
            "ledger/add_files",
            tables=[file.table for file in files],
            days=[file.day for file in files],
            paths=[file.path for file in files],
            batches=[file.batch for file in files],
            row_counts=[file.rows for file in files],
            byte_counts=[file.bytes for file in files],
            proved_at=[naive_utc(f.proved_at) if f.proved_at else None for f in files],
        )


def record_batch(warehouse: Warehouse, batch: Batch) -> None:
    """Record a batch."""
    values = {field: getattr(batch, field) for field in batch.__struct_fields__}
    values |= {"data_through": naive_utc(batch.data_through), "mode": batch.mode.value}
    warehouse.run("ledger/add_batch", **values)


def record_table(warehouse: Warehouse, table: str, state: TableState) -> None:
    """Record how far a table has been read: this moves its watermark."""
    warehouse.run(
        "ledger/set_table_state",
        table_name=table,
        watermark=state.watermark,
        relation=state.relation,
        columns=state.columns,
        source_rows=state.source_rows,
        row_count=state.rows,
        outside_rows=state.outside_rows,
        is_available=state.is_available,
        refused_rows=state.refused_rows,
    )


def record_proofs(
    warehouse: Warehouse, proved: Sequence[tuple[str, date | None]], at: datetime
) -> None:
    """Record that these (table, day) pairs were equal to the source as of `at`."""
    warehouse.run(
        "ledger/set_proved",
        tables=[table for table, _ in proved],
        days=[day for _, day in proved],
        proved_at=naive_utc(at),
    )


def record_state(
    warehouse: Warehouse,
    source: SourceIdentity,
    shape: SourceShape,
    coverage: DaySet,
    *,
    changed_in_batch: int,
    generation: int,
    generated_at: datetime | None,
    feed: FeedState | None,
) -> None:
    """Record the state of this file."""
    fresh_bytes, fresh_rows = warehouse.fresh_size()
    warehouse.run(
        "ledger/set_state",
        format=FORMAT,
        schema_fingerprint=schema_fingerprint(),
        views_fingerprint=views_fingerprint(),
        tzdata_version=timezones.VERSION,
        system_identifier=source.system_identifier,
        timeline=source.timeline,
        database_name=source.database,
        first_days=[days.first for days in coverage.ranges],
        last_days=[days.last for days in coverage.ranges],
        changed_in_batch=changed_in_batch,
        generation=generation,
        generated_at=naive_utc(generated_at) if generated_at else None,
        mapping=shape.mapping,
        user_ids=shape.ids.user.value,
        conversation_ids=shape.ids.conversation.value,
        message_ids=shape.ids.message.value,
        event_ids=shape.ids.event.value,
        inexact=list(shape.inexact),
        row_security=shape.row_security,
        feed_mode=feed.mode.value if feed else None,
        feed_identity=feed.identity if feed else None,
        feed_ready_at=feed.ready_at if feed else None,
        feed_position=feed.position if feed else None,
        fresh_bytes=fresh_bytes,
        fresh_rows=fresh_rows,
    )


def _batch(row: Mapping[str, Any]) -> Batch:
    """A recorded batch; a ledger of an earlier version does not tell how it read."""
    values = {**row, "data_through": utc(row["data_through"])}
    return Batch(**{**values, "mode": Mode(row["mode"])} if "mode" in row else values)


def _feed(state: Mapping[str, Any]) -> FeedState | None:
    """How far the feed was read; a ledger of an earlier version has none."""
    if state.get("feed_mode") is None:
        return None
    return FeedState(
        mode=Mode(state["feed_mode"]),
        identity=state["feed_identity"],
        ready_at=state["feed_ready_at"],
        position=state["feed_position"],
    )


def _shape(state: Mapping[str, Any]) -> SourceShape:
    """How the source was read; a ledger of an earlier version knows our own messenger only."""
    if "mapping" not in state:
        return SourceShape()
    return SourceShape(
        mapping=state["mapping"],
        ids=IdTypes(
            user=IdType(state["user_ids"]),
            conversation=IdType(state["conversation_ids"]),
            message=IdType(state["message_ids"]),
            event=IdType(state["event_ids"]),
        ),
        inexact=tuple(state["inexact"]),
        row_security=state["row_security"],
    )


def _coverage(first_days: Sequence[date] | None, last_days: Sequence[date] | None) -> DaySet:
    """The recorded coverage; a ledger of an earlier version has none and covers every day."""
    if first_days is None or last_days is None:
        return EVERY_DAY
    return day_set(*map(DayRange, first_days, last_days))
