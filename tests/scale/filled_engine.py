"""Hands the tables of a filled warehouse to an engine, and asks it what DuckDB is asked.

The answer of the engine is cast to the types of the metric's own macro, so that equal means equal
values of equal types, in the same order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from olap import sqlfiles
from olap.catalog import Metric
from olap.engine import generate
from olap.engine.session import Engine
from tests.metrics.filled import Answer, Filled, plain

# Made once, and the same in every world.
_CONSTANT = ("tz_spans", "clock_changes")
_NO_TABLES = ("batches", "lake_files", "state", "table_states")
# How a column of DuckDB is written for an engine.
_WRITTEN = {
    "UUID": "cast({0} as varchar)",
    "UBIGINT": "cast({0} as bigint)",
    "UTINYINT": "cast({0} as smallint)",
    # greatest and least ignore a null.
    "TIMESTAMP": "case when {0} is not null then greatest(least({0}, timestamp '9999-12-31'),"
    " timestamp '0001-01-01') at time zone 'UTC' end",
}


def texts() -> dict[str, str]:
    """The generated text of every metric, by the name of its macro."""
    return {
        name.rpartition("/")[2]: sqlfiles.text(name) for name in sqlfiles.names("spark/metrics")
    }


class FilledEngine:
    """An engine that has the tables of one warehouse at a time.

    Args:
        directory: gets the files of the tables.
    """

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine = engine
        self._directory = directory
        self._texts = texts()
        self._fills = 0
        self._defaults: dict[str, dict[str, Any]] = {}

    def fill(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take the tables of `core` as they are now."""
        self._fills += 1
        for table in generate.core_columns():
            is_constant = table in _CONSTANT
            if table not in _NO_TABLES and (self._fills == 1 or not is_constant):
                self._export(connection, table)

    def _export(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        types = connection.execute(f"describe core.{table}").fetchall()
        columns = ", ".join(
            f"{_WRITTEN.get(kind, '{0}').format(name)} as {name}" for name, kind, *_ in types
        )
        path = self._directory / f"{table}_{self._fills}.parquet"
        connection.execute(f"copy (select {columns} from core.{table}) to '{path}'")
        self._engine.create_file_view(f"core_{table}", [str(path)], pq.read_schema(path))

    def ask(self, filled: Filled, metric: Metric, arguments: dict[str, Any]) -> Answer:
        """The rows of a metric by the engine, each value with the name of its column."""
        connection = filled.connection
        given = self._default(connection, metric) | arguments
        constants = connection.execute(
            "select core.data_from() as data_from, core.data_through() as data_through, "
            + ", ".join(
                f"core.why_not_available('{table}') as why_not_available_{table}"
                for table in ("read_receipts", "read_marks", "events", "reactions")
            )
        )
        names = [column[0] for column in constants.description or ()]
        given |= dict(zip(names, constants.fetchone() or (), strict=True))
        text = self._texts[metric.macro]
        bound = {name: _bound(value) for name, value in given.items() if f":{name}" in text}
        found = self._engine.query(text, bound)
        call = ", ".join(f"{name} := ${name}" for name in arguments)
        types = connection.execute(
            f"describe from metrics.{metric.macro}({call})", arguments
        ).fetchall()
        return _cast(connection, found, [(name, kind) for name, kind, *_ in types])

    def _default(self, connection: duckdb.DuckDBPyConnection, metric: Metric) -> dict[str, Any]:
        if metric.macro not in self._defaults:
            values = {}
            for parameter in metric.parameters:
                head, _, default = parameter.partition(":=")
                if default:
                    row = connection.execute(f"select {default}").fetchone()
                    values[head.split()[0]] = row[0] if row else None
            self._defaults[metric.macro] = values
        return self._defaults[metric.macro]


def _bound(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _cast(
    connection: duckdb.DuckDBPyConnection, found: pa.Table, types: list[tuple[str, str]]
) -> Answer:
    """Rows of an engine in the types of DuckDB."""
    columns = [
        found.column(place).cast(pa.timestamp("us"))
        if pa.types.is_timestamp(found.schema.field(place).type)
        else found.column(place)
        for place in range(found.num_columns)
    ]
    answer = pa.table(dict(zip(found.column_names, columns, strict=True)))
    assert found.column_names == [name for name, _ in types]
    shown = ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in types)
    connection.register("answer_of_engine", answer)
    try:
        rows = connection.execute(f"select {shown} from answer_of_engine").fetchall()
    finally:
        connection.unregister("answer_of_engine")
    names = [name for name, _ in types]
    return [list(zip(names, map(plain, row), strict=True)) for row in rows]
