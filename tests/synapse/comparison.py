"""Whether a published generation tells exactly what the driver did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from olap.generations import current
from olap.layout import Layout
from olap.manifest import Manifest
from tests.contents import NAIVE
from tests.synapse.expectations import Expectations, Key, Row, Span

# The views have no message ids: these tables are read from the day files of the generation's lake.
_LAKE_KEYS = {
    "messages": ("message_id",),
    "reactions": ("message_id", "user_id", "emoji"),
    "events": ("event_id",),
}
# The driver knows the ids of its redactions; Synapse makes many more events than people do.
_LAKE_FILTERS = {"events": "where event_type = 'm.room.redaction'"}
_VIEW_KEYS = {
    "users": ("user_id",),
    "conversations": ("conversation_id",),
    "participants": ("conversation_id", "user_id"),
    "read_marks": ("conversation_id", "user_id"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One table: how many rows were expected, and a line for each wrong one."""

    table: str
    rows: int
    wrong: tuple[str, ...]


def compare(layout: Layout, expected: Expectations) -> list[Compared]:
    """Compare the newest generation, table by table."""
    manifest = current(layout)
    assert manifest is not None
    with duckdb.connect(str(layout.pointer.resolve()), read_only=True) as connection:
        found = {
            table: _rows(connection, f"select {NAIVE} from main.{table}", keys)
            for table, keys in _VIEW_KEYS.items()
        }
        for table, keys in _LAKE_KEYS.items():
            found[table] = _of_lake(connection, layout, manifest, table, keys)
        compared = [
            Compared(table=table, rows=len(rows), wrong=tuple(differences(found[table], rows)))
            for table, rows in expected.rows().items()
        ]
        return [*compared, _published(connection, found["messages"])]


def differences(found: Mapping[Key, Row], expected: Mapping[Key, Row]) -> list[str]:
    """A line for each row that is missing, was not expected, or has a wrong column."""
    lines = [f"{_text(key)} is missing" for key in expected.keys() - found.keys()]
    lines += [f"{_text(key)} was not expected" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        wrong = [
            f"{column} is {found[key][column]}, expected {wanted}"
            for column, wanted in expected[key].items()
            if not _equals(found[key][column], wanted)
        ]
        if wrong:
            lines.append(f"{_text(key)}: {'; '.join(wrong)}")
    return sorted(lines)


def _text(key: Key) -> str:
    return " ".join(key)


def _equals(found: object, wanted: object) -> bool:
    return wanted.contains(found) if isinstance(wanted, Span) else found == wanted


def _published(connection: duckdb.DuckDBPyConnection, lake: Mapping[Key, Row]) -> Compared:
    """The view of the messages, which has no ids, beside the lake."""
    columns = [column for column in next(iter(lake.values()), {}) if column != "message_id"]
    expected = Counter(tuple(row[column] for column in columns) for row in lake.values())
    rows = connection.execute(f"select {', '.join(columns)} from main.messages").fetchall()
    found = Counter(tuple(map(_value, row)) for row in rows)
    lines = [f"{row} is not in the lake" for row in (found - expected).elements()]
    lines += [f"{row} is missing" for row in (expected - found).elements()]
    return Compared(table="main.messages", rows=expected.total(), wrong=tuple(lines))


def _of_lake(
    connection: duckdb.DuckDBPyConnection,
    layout: Layout,
    manifest: Manifest,
    table: str,
    keys: tuple[str, ...],
) -> dict[Key, Row]:
    files = [str(layout.lake / file.path) for file in manifest.files if file.table == table]
    if not files:
        return {}
    query = f"from read_parquet($files, hive_partitioning := false) {_LAKE_FILTERS.get(table, '')}"
    return _rows(connection, query, keys, {"files": files})


def _rows(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    keys: tuple[str, ...],
    parameters: Mapping[str, object] | None = None,
) -> dict[Key, Row]:
    """Rows by their key.

    Raises:
        AssertionError: two rows have the same key.
    """
    result = connection.execute(query, parameters)
    columns = [column[0] for column in result.description or ()]
    rows: list[Row] = [
        dict(zip(columns, map(_value, row), strict=True)) for row in result.fetchall()
    ]
    by_key = {tuple(str(row[key]) for key in keys): row for row in rows}
    assert len(by_key) == len(rows), f"{query} returns a key twice"
    return by_key


def _value(value: Any) -> Any:
    is_naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=UTC) if is_naive else value
