"""Generates `sql/spark`: every metric, fact, view and rollup as Spark SQL.

`make catalog` writes the files, a test fails when one is stale, and nothing is translated at run
time. Each is one SELECT; `olap/engine/dialect.py` says what its parameter markers are.
"""

from __future__ import annotations

import shutil
from functools import cache

import duckdb

from olap import sqlfiles
from olap.engine.dialect import Columns, marked, spark_sql, types_of
from olap.engine.expand import Macros, macros_of
from olap.engine.tables import facts, rollups
from olap.ids import IdTypes

FOLDER = sqlfiles.SQL_DIR / "spark"


def files() -> dict[str, str]:
    """The text of every file, by its path below `sql/spark`.

    Raises:
        TranslationError: no rule covers a construct of a file.
    """
    return metrics() | tables()


@cache
def tables() -> dict[str, str]:
    """The files of facts and rollups."""
    columns, types = core_columns(), core_types()
    found = facts(columns) | rollups(columns, types)
    return {
        f"{name.replace('facts/keyed/', 'facts/')}.sql": headed(text, f"{name}.sql")
        for name, text in found.items()
    }


@cache
def metrics() -> dict[str, str]:
    """The files of the metrics."""
    macros = Macros()
    return {f"{name}.sql": _metric(name, macros) for name in sqlfiles.names("metrics")}


def write() -> None:
    """Write every file, and remove the others of `sql/spark`."""
    found = files()
    shutil.rmtree(FOLDER, ignore_errors=True)
    for path, text in found.items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text, encoding="utf-8")


def headed(text: str, source: str) -> str:
    """A generated text with the comment that says so.

    Args:
        source: the file below `sql` that it is generated from.
    """
    return f"-- Generated from sql/{source} by the target `catalog`: change that file.\n{text}\n"


def core_columns() -> Columns:
    """The columns of every table of `core`, and of its views that metrics read."""
    return {table: tuple(types) for table, types in core_types().items()}


@cache
def core_types() -> dict[str, dict[str, str]]:
    """The columns of these tables with their types, of DuckDB."""
    with duckdb.connect() as connection:
        connection.execute("create schema core")
        for name in (*sqlfiles.names("schema"), "views/clock_changes"):
            connection.execute(IdTypes().adapt(sqlfiles.text(name)))
        rows = connection.execute(
            "select table_name, column_name, data_type from duckdb_columns()"
            " where schema_name = 'core' order by table_name, column_index"
        ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, column, type_ in rows:
        found.setdefault(table, {})[column] = type_
    return found


def _metric(name: str, macros: Macros) -> str:
    (macro,) = macros_of(name)
    types = types_of(macro.parameters, macro.types, file=macro.file)
    query = macros.expand(marked(macro.body, types, file=macro.file), file=macro.file)
    return headed(spark_sql(query, core_columns(), file=macro.file), macro.file)


if __name__ == "__main__":
    write()
