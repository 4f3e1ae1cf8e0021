"""The source's tables that a mapping lists, as the catalog describes them; no row is read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etl.check.findings import CheckedRelation, Finding, error, warning
from etl.check.plans import Column
from etl.survey import Survey
from olap.mapping import MappedTable, SourceMapping
from olap.settings import Settings
from olap.tables import TABLES, Table

TINY_ROWS = 100

_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}


_SIMPLE_NAME = re.compile(r"[a-z_][a-z0-9_$]*")


@dataclass(frozen=True, slots=True)
class Sources:
    """The source's tables that the mapping lists, and their columns.

    Attributes:
        rows: of `sql/source/check/relations.sql`, by the name in the mapping.
        columns: names by table, as `schema.name` without quotes.
        texts: those of type text, with their average bytes, None if unknown.
        identities: the columns by which a deletion tells which row it was, by the name in the
            mapping; a table without any is absent.
    """

    rows: Mapping[str, Mapping[str, Any]]
    columns: Mapping[str, Sequence[str]]
    texts: Mapping[Column, int | None]
    identities: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, survey: Survey, mapping: SourceMapping) -> Sources:
        names = sorted({name for table in mapping.tables.values() for name in table.reads})
        rows = {
            row["source_name"]: row
            for row in survey.ask("source/check/relations", (json.dumps(names),))
        }
        covered = sorted({name for row in rows.values() for name in row["covered"].split("\n")})
        found = survey.ask("source/check/columns", (json.dumps(covered),))
        columns: dict[str, list[str]] = {}
        for row in found:
            columns.setdefault(row["relation_name"], []).append(row["column_name"])
        texts = {
            Column(row["relation_name"], row["column_name"]): row["average_bytes"]
            for row in found
            if row["is_text"]
        }
        identities: dict[str, list[str]] = {}
        for row in survey.ask("source/check/identities", (json.dumps(sorted(rows)),)):
            identities.setdefault(row["source_name"], []).append(row["column_name"])
        return cls(rows, columns, texts, identities)

    def covered(self, *names: str) -> frozenset[str]:
        """The tables that these names mean, with partitions and what is beneath views."""
        return frozenset(
            name
            for source_name in names
            if source_name in self.rows
            for name in self.rows[source_name]["covered"].split("\n")
        )

    def is_readable(self, name: str) -> bool:
        row = self.rows.get(name)
        return row is not None and bool(row["may_use_schema"] and row["may_select"])

    def absence(self, mapped: MappedTable) -> str:
        """Why a table cannot be read; empty if it can."""
        for name in mapped.reads:
            if name not in self.rows:
                return f"{name} does not exist"
            if not self.is_readable(name):
                return f"{name}: permission denied"
        return ""

    def unkeyed(self, table: Table, mapped: MappedTable) -> str:
        """Why keys do not suffice to read a table, and a scan is needed; empty if they do."""
        if mapped.is_whole:
            return ""
        if not mapped.has_place:
            return f"{table.name}.sql returns no `ctid as place`"
        if not mapped.touched_has_place:
            return f"touched/{table.name}.sql returns no `ctid as place`"
        if missing := [name for name in mapped.reads if name not in self.identities]:
            return f"{missing[0]} has no primary key"
        if not mapped.key:
            return "after an update or a deletion, because mapping.toml declares no `key`"
        for name in mapped.places:
            if mapped.key_positions(self.identities[name]) is None:
                told = ", ".join(self.identities[name])
                return f"after an update or a deletion, of which {name} tells {told} alone"
        return ""

    def hide_rows(self, mapped: MappedTable) -> bool:
        """Whether policies on rows apply to one of the tables that a SELECT may read."""
        return any(self.rows[name]["hides_rows"] for name in mapped.reads)

    def is_tiny(self, name: str) -> bool:
        """Whether a table has so few rows that an index on it would not be used."""
        rows = self.rows[name]["row_estimate"] if name in self.rows else None
        return rows is not None and rows <= TINY_ROWS

    def columns_of(self, mapped: MappedTable) -> list[str]:
        """The columns of all tables that a SELECT may read, as SQL writes them."""
        found = (c for name in sorted(self.covered(*mapped.reads)) for c in self.columns[name])
        return list(dict.fromkeys(quoted(name) for name in found))

    def mapped_names(self, relations: Iterable[str]) -> list[str]:
        """Tables by the names that the mapping has for them, a partitioned one once."""
        named = {
            next(
                (name for name in self.rows if relation in self.covered(name)),
                quoted_relation(relation),
            )
            for relation in relations
        }
        return sorted(named)

    def checked(self, mapping: SourceMapping) -> tuple[CheckedRelation, ...]:
        names = dict.fromkeys(name for table in mapping.tables.values() for name in table.reads)
        return tuple(
            CheckedRelation(
                name=name,
                kind=_KINDS[row["kind"]] if (row := self.rows.get(name)) else "",
                may_read=self.is_readable(name),
                rows=row["row_estimate"] if row else None,
                bytes=(row["bytes"] or 0) if row else 0,
            )
            for name in names
        )


def server_findings(server: Mapping[str, Any]) -> Iterator[Finding]:
    """What the role lacks at the server."""
    if functions := server["forbidden_functions"]:
        yield error(
            None,
            f"the role {server['role']} may not call {functions}, which identify the cluster; "
            "without them no table can be tried",
            f"`grant execute on function {functions} to {quoted(server['role'])};`",
        )


def relation_findings(
    sources: Sources, mapping: SourceMapping, settings: Settings
) -> Iterator[Finding]:
    """What is wrong with a table of the source, whatever the SELECTs do with it."""
    for name in dict.fromkeys(n for mapped in mapping.tables.values() for n in mapped.reads):
        readers = [t for t in TABLES if t.name in mapping.tables and name in _reads(mapping, t)]
        if not all(mapping.tables[table.name].is_optional for table in readers):
            yield from _access_findings(name, readers, sources)
        if name in sources.rows:
            yield from _meaning_findings(name, readers[0], sources, settings)


def _reads(mapping: SourceMapping, table: Table) -> tuple[str, ...]:
    return mapping.tables[table.name].reads


def _access_findings(name: str, readers: Sequence[Table], sources: Sources) -> Iterator[Finding]:
    row, names = sources.rows.get(name), ", ".join(table.name for table in readers)
    if row is None:
        yield error(
            readers[0],
            f"the source has no {name}, from which {names} are read",
            "Correct the name. SQL folds a name without double quotes to lower case: write "
            "'app.\"Message\"'. A name without a schema must be in the role's search_path.",
            file="mapping.toml",
        )
    elif not sources.is_readable(name):
        schema = quoted(row["schema_name"])
        grants = [] if row["may_use_schema"] else [f"grant usage on schema {schema} to …;"]
        grants += [] if row["may_select"] else [f"grant select on {row['full_name']} to …;"]
        yield error(
            readers[0],
            f"the role may not read {name}, from which {names} are read",
            f"`{' '.join(grants)}` A grant on columns does not suffice: a cycle locks the table.",
            file="mapping.toml",
        )


def _meaning_findings(
    name: str, reader: Table, sources: Sources, settings: Settings
) -> Iterator[Finding]:
    row = sources.rows[name]
    if row["also_named"]:
        yield warning(
            reader,
            f"{name} means {row['full_name']} by the role's search_path, which leads to "
            f"{row['also_named']} too",
            f"Write {row['full_name']} in `reads` and in the SELECTs.",
            file="mapping.toml",
        )
    if row["hides_rows"] and settings.source_row_security == "trusted":
        yield warning(
            reader,
            f"row-level security of {name} applies to the role, and SOURCE_ROW_SECURITY=trusted "
            "says that its policies hide no row",
            "`alter role … bypassrls;` by a superuser is safer: a policy may change.",
            file="",
        )
    elif row["hides_rows"]:
        yield error(
            reader,
            f"row-level security of {name} applies to the role: its policies may hide rows",
            "`alter role … bypassrls;` by a superuser. If nobody may grant that and the policies "
            "show the role every row, set SOURCE_ROW_SECURITY=trusted.",
            file="",
        )


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    if _SIMPLE_NAME.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def quoted_relation(relation: str) -> str:
    schema, _, name = relation.partition(".")
    return f"{quoted(schema)}.{quoted(name)}"
