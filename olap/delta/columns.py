"""The columns of the lake's files, and their types in Delta."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import duckdb

from olap import sqlfiles
from olap.ids import IdTypes
from olap.tables import TABLES, Fact

# Delta has no type for a uuid. Times are UTC without a zone, as in the files.
_TYPES = {
    "bigint": "long",
    "integer": "integer",
    "boolean": "boolean",
    "text": "string",
    "varchar": "string",
    "uuid": "binary",
    "timestamp": "timestamp_ntz",
    "timestamp with time zone": "timestamp_ntz",
}


@cache
def lake_columns(ids: IdTypes) -> Mapping[str, Mapping[str, str]]:
    """The columns of the lake's files with their types in Delta, by table.

    Args:
        ids: the types of the ids, as the mapping declares them.
    """
    found: dict[str, Mapping[str, str]] = {}
    with duckdb.connect() as connection:
        connection.execute("create schema core")
        for table in TABLES:
            if isinstance(table, Fact):
                types = {name: type_.value for name, type_ in table.types(ids).items()}
            else:
                sqlfiles.run(connection, f"schema/{table.core_name}", None, ids)
                relation = connection.table(f"core.{table.core_name}")
                names = zip(relation.columns, relation.types, strict=True)
                types = {name: str(type_).lower() for name, type_ in names}
            found[table.name] = {name: _TYPES[type_] for name, type_ in types.items()}
    return found
