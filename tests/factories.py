"""Manifests and source snapshots with defaults, so that a test names only what it tests.

The defaults fit together: one batch read everything from one cluster, and nothing has been
published yet. An override replaces a whole field, as `msgspec.structs.replace` would.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from etl.relations import Relation
from etl.source import Snapshot
from olap.manifest import Batch, LakeFile, Manifest, SourceIdentity, TableState
from olap.tables import TABLE_NAMES

TIME = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
XMIN, XMAX = 1_000, 1_010


def an_identity(**overrides: Any) -> SourceIdentity:
    """The identity of the database of all factories."""
    values: dict[str, Any] = {
        "system_identifier": "7000000000000000001",
        "timeline": 1,
        "database": "16384 messenger",
    }
    return SourceIdentity(**(values | overrides))


def a_snapshot(**overrides: Any) -> Snapshot:
    """A snapshot; `text` follows from `xmin` and `xmax` unless it is given."""
    values: dict[str, Any] = {
        "identity": an_identity(),
        "xmin": XMIN,
        "xmax": XMAX,
        "seen_at": TIME,
        "held_back_by": None,
    } | overrides
    values.setdefault("text", f"{values['xmin']}:{values['xmax']}:")
    return Snapshot(**values)


def a_relation(**overrides: Any) -> Relation:
    """A source table as the catalog describes it; the table of `a_table_state`."""
    values: dict[str, Any] = {"relation": "16390:16390/16390", "columns": "1 id bigint"}
    return Relation(**(values | overrides))


def a_table_state(**overrides: Any) -> TableState:
    """A table that was read up to `XMIN` and is complete."""
    relation = a_relation()
    values: dict[str, Any] = {
        "watermark": XMIN,
        "relation": relation.relation,
        "columns": relation.columns,
        "source_rows": 10,
        "rows": 10,
    }
    return TableState(**(values | overrides))


def a_batch(**overrides: Any) -> Batch:
    """The first batch: all rows were new, and no transaction was open at the source."""
    values: dict[str, Any] = {
        "batch": 1,
        "data_through": TIME,
        "snapshot": f"{XMIN}:{XMAX}:",
        "rows_read": 60,
        "rows_changed": 60,
        "days_rebuilt": 3,
        "read_ms": 40,
        "fold_ms": 50,
        "held_back_by": None,
    }
    return Batch(**(values | overrides))


def a_lake_file(**overrides: Any) -> LakeFile:
    """One day of messages, written by the first batch; `path` follows from table and day."""
    values: dict[str, Any] = {
        "table": "messages",
        "day": TIME.date(),
        "batch": 1,
        "rows": 10,
        "bytes": 1_000,
    } | overrides
    day = "" if values["day"] is None else f"day={values['day']}/"
    values.setdefault("path", f"{values['table']}/{day}{values['batch']:06d}.parquet")
    return LakeFile(**values)


def a_manifest(**overrides: Any) -> Manifest:
    """The manifest after the first batch, before its publication."""
    values: dict[str, Any] = {
        "generation": 0,
        "generated_at": None,
        "schema_fingerprint": "0123456789abcdef-2026a",
        "source": an_identity(),
        "changed_in_batch": 1,
        "batches": (a_batch(),),
        "tables": {table: a_table_state() for table in TABLE_NAMES},
        "files": (
            a_lake_file(),
            a_lake_file(table="read_receipts"),
            a_lake_file(table="events"),
            a_lake_file(table="users", day=None),
            a_lake_file(table="conversations", day=None),
            a_lake_file(table="participants", day=None),
        ),
    }
    return Manifest(**(values | overrides))
