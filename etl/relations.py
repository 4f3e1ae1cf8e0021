"""Relations: which source tables a table is read from, and whether they can be read exactly.

`sql/source/relations.sql` and `sql/source/definitions.sql` ask the catalog; this module judges.
`etl.guards` compares a relation with that of the last cycle.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olap.errors import SourceError
from olap.mapping import MappedTable, shifting
from olap.tables import Dimension, Fact, Table, Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """The source tables that one table is read from; see `TableState` for the two strings.

    Attributes:
        heap_blocks: blocks of each heap that has the rows' places; several if it is partitioned.
        is_available: false for a table that the mapping or the source lacks, or the role may not
            read although it is optional.
        is_whole: it is read whole in every cycle.
        shifts: it is read whole, and may change although no row of its source tables does: its
            SELECT, or a function or view in it, computes the present or reads other tables.
    """

    relation: str
    columns: str
    heap_blocks: tuple[int, ...] = ()
    is_available: bool = True
    is_whole: bool = False
    shifts: bool = False


NOT_AVAILABLE = Relation(relation="", columns="", is_available=False)


_FROM = re.compile(r"\bfrom\b", re.IGNORECASE)
# The relkinds whose rows have a version.
_VERSIONED = ("r", "p")


def relation_of(
    mapped: MappedTable,
    rows: Mapping[str, Mapping[str, Any]],
    definitions: Sequence[Mapping[str, Any]],
) -> Relation:
    """The identity of the source tables `rows` that a table is read from.

    Args:
        definitions: of the functions and views that the SELECT uses.

    Raises:
        SourceError: one is missing, its rows have no version, or its values change without one.
    """
    if mapped.is_optional and not all(row["is_readable"] for row in rows.values()):
        return NOT_AVAILABLE
    for name, row in rows.items():
        if row["kind"] is None:
            raise SourceError(
                f"the source has no table {name}, or the role may not see it",
                hint="Check that DATABASE_URL names the messenger's database, and its search_path.",
            )
        if mapped.is_whole:
            continue
        if row["kind"] not in _VERSIONED:
            raise SourceError(
                f"the source's {name} is not a table (relkind {row['kind']}): no usable xmin",
                hint="Let `reads` list the tables beneath it, at the database that owns them; or "
                "set `whole = true`: it is then read whole in every cycle.",
            )
        if row["versionless_parts"]:
            raise SourceError(
                f"parts of the source's {name} have no usable xmin: {row['versionless_parts']}",
                hint="Detach what is stored elsewhere (a foreign table, another access method), "
                "or set `whole = true`: the table is then read whole in every cycle.",
            )
    if not mapped.is_whole:
        _require_steady(definitions)
    places = [rows[name]["heap_blocks"] for name in mapped.places]
    identities = {row["full_name"]: row["relation"] for row in rows.values()}
    used = "\0".join(f"{one['identity']} {one['body']}" for one in definitions)
    digest = hashlib.sha256(used.encode()).hexdigest()[:16] if definitions else ""
    columns = [mapped.digest, digest, *(row["columns"] or "" for row in rows.values())]
    return Relation(
        relation=json.dumps(identities),
        columns=" | ".join(part for part in columns if part),
        # A partitioned table without partitions has no heap.
        heap_blocks=tuple(int(blocks) for heaps in places for blocks in (heaps or "0").split(",")),
        is_whole=mapped.is_whole,
        shifts=mapped.is_whole and (mapped.shifts or any(map(_may_shift, definitions))),
    )


def _may_shift(definition: Mapping[str, Any]) -> bool:
    body = definition["body"]
    return shifting(body) is not None or _FROM.search(body) is not None


def _require_steady(definitions: Sequence[Mapping[str, Any]]) -> None:
    """Stop where a function or view computes what no row version announces."""
    for one in definitions:
        found = shifting(one["body"])
        if found is not None:
            raise SourceError(
                f"the SELECT uses the source's {one['name']}, which uses {found}: its value "
                "changes although no row does, and a cycle would not notice",
                hint="Read the tables beneath it, or set `whole = true`: the table is then read "
                "whole in every cycle.",
            )


VERSIONS: Mapping[type[Table], tuple[str, ...]] = {
    Fact: ("row_version", "place"),
    Dimension: ("row_version",),
}
# The types of PostgreSQL that are read as a declared one.
READ_AS: Mapping[Type, frozenset[str]] = {
    Type.BIGINT: frozenset({"bigint", "integer", "smallint"}),
    Type.INTEGER: frozenset({"integer", "smallint"}),
    Type.BOOLEAN: frozenset({"boolean"}),
    Type.TEXT: frozenset({"text", "character varying", "name"}),
    Type.UUID: frozenset({"uuid"}),
    Type.TIME: frozenset({"timestamp with time zone"}),
}


def cast_to_write(name: str, found: str, declared: Type) -> str:
    """The cast to write for a column of another type."""
    if declared is Type.TIME and found == "timestamp without time zone":
        return f"`{name} at time zone 'UTC'`, if it is UTC"
    if declared is Type.TIME and found in ("bigint", "integer", "numeric", "double precision"):
        return f"`timestamptz 'epoch' + {name} * interval '1 millisecond'`, if it counts these"
    return f"`{name}::{declared}`"
