"""The tables of one generation on an engine: temporary views over the files of its manifest.

An engine reads exactly the lake files that the manifest names, so that every question is about one
consistent state. `sql/spark` computes the keyed facts from them, and from these the rollups; where
rollups have been made of these very files (`olap.engine.parts`), they are read in place of being
computed. Names are those of `core` with an underscore: `core_dim_users`, `core_fact_messages`,
`core_user_days`.

Ids of type uuid are text on the engine: neither Spark nor Delta has the type. Time zones and
changes of the clock are sent as tables. Their infinite instants become the first one that no fact
precedes, and one that every fact precedes: engines compute with infinite ones as with any number.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from olap import sqlfiles
from olap.engine.questions import EmptyGeneration
from olap.engine.session import Engine
from olap.ids import IdTypes
from olap.manifest import LakeFile, Manifest
from olap.tables import DIMENSIONS, FACTS, ROLLUPS, Rollup, Type

if TYPE_CHECKING:
    import pyarrow as pa

_DUCKDB_TYPES = {
    "BIGINT": Type.BIGINT,
    "INTEGER": Type.INTEGER,
    "BOOLEAN": Type.BOOLEAN,
    "VARCHAR": Type.TEXT,
    "UUID": Type.UUID,
    "TIMESTAMP": Type.TIME,
}
_TZ_SPANS = """
select
    tz_name,
    greatest(from_utc, timestamp '0001-01-01') as from_utc,
    least(to_utc, timestamp '10000-01-02') as to_utc,
    cast(offset_minutes as integer) as offset_minutes
from core.tz_spans
order by tz_name, from_utc
"""
_CLOCK_CHANGES = "from core.clock_changes order by all"
_UUID_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineGeneration:
    """One generation, as an engine and this process know it; `close` its empty generation.

    Attributes:
        data_dir: where the engine sees `DATA_DIR`: an absolute path, or a URL that it knows.
        empty: what checks questions.
        rollups: the Parquet files of rollups that were made of this generation's files, relative to
            `data_dir`; a rollup that is not named is computed when it is asked for.
    """

    manifest: Manifest
    data_dir: str
    empty: EmptyGeneration
    rollups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest, data_dir: str) -> EngineGeneration:
        """A generation by its manifest.

        Args:
            data_dir: as the attribute.
        """
        return cls(manifest=manifest, data_dir=data_dir, empty=EmptyGeneration(manifest))

    def close(self) -> None:
        """Give the memory of the empty generation back."""
        self.empty.close()


def prepare(engine: Engine, generation: EngineGeneration) -> None:
    """Create the views of a generation in a session, or replace those of another one.

    Questions of one session must not run meanwhile.

    Raises:
        EngineError: the engine refuses one.
    """
    files, connection = generation.manifest.files, generation.empty.connection.cursor()
    try:
        create_dimensions(engine, files, generation.data_dir, connection)
        create_facts(engine, files, generation.data_dir, generation.empty.ids)
        for rollup in ROLLUPS:
            name = f"core_{rollup.name}"
            made = generation.rollups.get(rollup.name)
            if made is None:
                engine.create_view(name, sqlfiles.text(f"spark/rollups/{rollup.name}"))
                continue
            _read_rollup(
                engine, rollup, [posixpath.join(generation.data_dir, p) for p in made], connection
            )
    finally:
        connection.close()


def create_dimensions(
    engine: Engine,
    files: Iterable[LakeFile],
    data_dir: str,
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Create the views of dimensions, time zones and changes of the clock.

    Args:
        data_dir: where the engine sees `DATA_DIR`.
        connection: a DuckDB whose schema `core` has the tables of this version.
    """
    paths = _paths(files, data_dir)
    for dimension in DIMENSIONS:
        columns = _columns(connection, dimension.core_name)
        _read(engine, f"core_{dimension.core_name}", paths.get(dimension.name, ()), columns)
    engine.create_table("core_tz_spans", _rows(connection, _TZ_SPANS))
    engine.create_table("core_clock_changes", _rows(connection, _CLOCK_CHANGES))


def create_facts(engine: Engine, files: Iterable[LakeFile], data_dir: str, ids: IdTypes) -> None:
    """Create the views of facts, raw and keyed; those of dimensions are there.

    Args:
        data_dir: where the engine sees `DATA_DIR`.
        ids: the types of the ids in the files.
    """
    paths = _paths(files, data_dir)
    for fact in FACTS:
        _read(engine, f"lake_{fact.name}", paths.get(fact.name, ()), fact.types(ids))
        engine.create_view(f"core_{fact.core_name}", sqlfiles.text(f"spark/facts/{fact.name}"))


def _paths(files: Iterable[LakeFile], data_dir: str) -> dict[str, list[str]]:
    """The files of each table as the engine sees them."""
    paths: dict[str, list[str]] = {}
    for file in files:
        paths.setdefault(file.table, []).append(posixpath.join(data_dir, "lake", file.path))
    return paths


def _read_rollup(
    engine: Engine,
    rollup: Rollup,
    paths: Sequence[str],
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Create the view of a rollup that an engine has made."""
    name = f"core_{rollup.name}"
    schema = _rollup_schema(connection, rollup.name)
    if not rollup.is_by_person:
        engine.create_file_view(name, paths, schema)
        return
    # A person has a row per month of activity.
    engine.create_file_view(f"files_{name}", paths, schema)
    firsts = f"select user_key, min(first_at) as first_at from files_{name} group by user_key"  # noqa: S608
    engine.create_view(name, firsts)


def _rollup_schema(connection: duckdb.DuckDBPyConnection, rollup: str) -> pa.Schema:
    """The columns of a rollup as engines write and read them."""
    import pyarrow as pa

    types: dict[str, pa.DataType] = {
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us", "UTC"),
        "VARCHAR": pa.string(),
        "BOOLEAN": pa.bool_(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "UBIGINT": pa.int64(),  # masks of 48 bits
        "HUGEINT": pa.decimal128(38, 0),
    }
    described = connection.execute(f"describe core.{rollup}").fetchall()
    return pa.schema([(name, types[kind]) for name, kind, *_ in described])


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, Type]:
    described = connection.execute(f"describe core.{table}").fetchall()
    return {name: _DUCKDB_TYPES[kind] for name, kind, *_ in described}


def _read(engine: Engine, name: str, paths: Sequence[str], columns: Mapping[str, Type]) -> None:
    """Create the view of lake files, with ids of type uuid as text."""
    engine.create_file_view(f"files_{name}", paths, _file_schema(columns))
    selected = (
        f"{_text_of_uuid(column)} as {column}" if kind is Type.UUID else column
        for column, kind in columns.items()
    )
    engine.create_view(name, f"select {', '.join(selected)} from files_{name}")  # noqa: S608 names of our own


def _file_schema(columns: Mapping[str, Type]) -> pa.Schema:
    import pyarrow as pa

    types: dict[Type, pa.DataType] = {
        Type.BIGINT: pa.int64(),
        Type.INTEGER: pa.int32(),
        Type.BOOLEAN: pa.bool_(),
        Type.TEXT: pa.string(),
        Type.UUID: pa.binary(16),
        Type.TIME: pa.timestamp("us", "UTC"),
    }
    return pa.schema([(name, types[kind]) for name, kind in columns.items()])


def _text_of_uuid(column: str) -> str:
    """The text of a uuid that a file has as 16 bytes; null for null."""
    parts = (f"substr(lower(hex({column})), {at}, {length})" for at, length in _UUID_PARTS)
    return " || '-' || ".join(parts)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """Rows with their times as instants of UTC."""
    import pyarrow as pa

    found: pa.Table = connection.sql(sql).to_arrow_table()
    for position, column in enumerate(found.schema):
        if pa.types.is_timestamp(column.type):
            with_zone = (
                found.column(position).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
            )
            found = found.set_column(position, column.name, with_zone)
    return found
