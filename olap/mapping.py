"""The mapping: how a messenger's PostgreSQL tables become the tables of `olap.tables`.

A mapping is a folder, named by `SOURCE_MAPPING`, with one SELECT per table and no Python:

    my_messenger/
    ├── mapping.toml                    ids, source tables, what is not exact
    ├── users.sql  conversations.sql  participants.sql  messages.sql       required
    ├── read_receipts.sql  read_marks.sql  events.sql  reactions.sql       optional
    ├── touched/messages.sql            optional: which rows of other tables change a message
    └── sink/events.sql                 optional: the INSERT of `POST /events`

Each SELECT returns the columns of its table, and besides `xmin as row_version` of the row that
decides whether the result is new, and (facts) `ctid as place` of the row that is read in ranges.
All statements that ask the source are made from it; see `etl.forms`. A table without a SELECT is
*not available*.

What a SELECT computes must follow from rows with a version. `now()` or `random()` would change
without one, so they are refused, except in a table that is read whole in every cycle.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from olap import sqlfiles
from olap.errors import MappingError
from olap.ids import IdTypes
from olap.tables import FACT_NAMES, TABLES

SHIPPED = "source"
_FILE = "mapping.toml"

# What PostgreSQL computes anew at every reading, and the texts that it reads as the present. `age`
# of one argument counts from today.
_SHIFTING = re.compile(
    r"\b(?:(?:now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random|"
    r"random_normal|gen_random_uuid|uuidv4|uuidv7|current_setting|txid_current|pg_\w+)\s*\(|"
    r"age\s*\([^(),]+\)|"
    r"(?:current_(?:timestamp|date|time|user|role|schema)|localtimestamp|localtime|session_user)\b)",
    re.IGNORECASE,
)
_PRESENT = r"'\s*(?:now|today|tomorrow|yesterday)\s*'"
_SHIFTING_TEXT = re.compile(
    rf"\b(?:timestamptz|timestamp|date|time)\s*{_PRESENT}|{_PRESENT}\s*::", re.IGNORECASE
)
_COMMENT = r"--[^\n]*|/\*.*?\*/"
_NO_CODE = re.compile(rf"""{_COMMENT}|'(?:[^']|'')*'|"(?:[^"]|"")*\"""", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedTable:
    """How one table is read.

    Attributes:
        select: its SELECT.
        reads: the source tables, as SQL writes them; they are locked, and watched for changes.
        places: those of `reads` whose rows have the `place`; several for a UNION ALL.
        touched: a SELECT of `row_version` and a message's or the fact's own id: the rows that
            changed because a row of another table did.
        is_whole: read whole in every cycle, because no row version announces a change.
        is_optional: the source may lack the table; it is then not available.
    """

    select: str
    reads: tuple[str, ...]
    places: tuple[str, ...]
    touched: str | None = None
    is_whole: bool = False
    is_optional: bool = False

    @property
    def digest(self) -> str:
        """Changes when the SELECTs do."""
        statements = (sqlfiles.statements(text) for text in (self.select, self.touched or ""))
        return hashlib.sha256("\0".join(statements).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMapping:
    """One messenger's mapping; see `read_mapping`.

    Attributes:
        name: of the folder.
        inexact: what this messenger cannot tell exactly, in sentences.
        tables: the tables that it has, by name.
        events_sink: the INSERT of `POST /events`; None = the messenger takes none.
    """

    name: str
    folder: Path
    ids: IdTypes
    inexact: tuple[str, ...]
    tables: Mapping[str, MappedTable]
    events_sink: str | None


class _DeclaredTable(msgspec.Struct, forbid_unknown_fields=True):
    reads: tuple[str, ...]
    places: tuple[str, ...] = ()
    whole: bool = False
    optional: bool = False


class _Declared(msgspec.Struct, forbid_unknown_fields=True):
    ids: IdTypes
    tables: dict[str, _DeclaredTable]
    inexact: tuple[str, ...] = ()


@cache
def read_mapping(name: str) -> SourceMapping:
    """The mapping of this name below `sql/source`, or in this folder if it contains a slash.

    Raises:
        MappingError: it cannot be used; the error names the file.
    """
    folder = Path(name) if "/" in name else sqlfiles.SQL_DIR / SHIPPED / name
    declared = _declared(folder / _FILE)
    if missing := [t.name for t in TABLES if t.is_required and t.name not in declared.tables]:
        raise MappingError(
            f"{folder / _FILE} has no [tables.{missing[0]}]",
            hint=f"Every mapping needs {', '.join(t.name for t in TABLES if t.is_required)}.",
        )
    if unknown := declared.tables.keys() - {table.name for table in TABLES}:
        raise MappingError(
            f"{folder / _FILE} declares {min(unknown)}, which is no table here",
            hint=f"The tables are {', '.join(table.name for table in TABLES)}.",
        )
    sink = folder / "sink" / "events.sql"
    return SourceMapping(
        name=folder.name,
        folder=folder,
        ids=declared.ids,
        inexact=declared.inexact,
        tables={
            table.name: _mapped(folder, table.name, declared.tables[table.name])
            for table in TABLES
            if table.name in declared.tables
        },
        events_sink=_statement(sink) if sink.exists() else None,
    )


def shipped_mappings() -> tuple[str, ...]:
    """The names of the mappings below `sql/source`."""
    found = (sqlfiles.SQL_DIR / SHIPPED).glob(f"*/{_FILE}")
    return tuple(sorted(path.parent.name for path in found))


def _declared(path: Path) -> _Declared:
    try:
        content: Any = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(content, _Declared)
    except OSError as error:
        raise MappingError(
            f"SOURCE_MAPPING names {path.parent}, and {path} cannot be read: {error.strerror}",
            hint=f"Name one of {', '.join(shipped_mappings())}, or the path of a folder with "
            f"{_FILE}; the path must contain a slash.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise MappingError(
            f"{path} cannot be used: {error}",
            hint='"Your messenger in thirty minutes" in etl/README.md shows what it contains.',
        ) from None


def _mapped(folder: Path, name: str, declared: _DeclaredTable) -> MappedTable:
    touched = folder / "touched" / f"{name}.sql"
    places = declared.places or declared.reads[:1]
    if not declared.reads or set(places) - set(declared.reads):
        raise MappingError(
            f"{folder / _FILE}: `reads` of [tables.{name}] lacks a table",
            hint="List every table of the source that the SELECT reads, and in `places` only "
            "tables that `reads` lists.",
        )
    mapped = MappedTable(
        select=_statement(folder / f"{name}.sql"),
        reads=declared.reads,
        places=places,
        touched=_statement(touched) if touched.exists() else None,
        is_whole=declared.whole,
        is_optional=declared.optional,
    )
    if mapped.touched is not None and (mapped.is_whole or name not in FACT_NAMES):
        raise MappingError(
            f"{touched} is never read",
            hint="Only facts have it, and not with `whole = true`; remove the file.",
        )
    if not mapped.is_whole:
        _require_versions(folder, name, (mapped.select, mapped.touched or ""))
    return mapped


def shifting(text: str) -> str | None:
    """What a statement uses whose value changes although no row does; None = nothing."""
    code = _NO_CODE.sub("", text)
    found = _SHIFTING.search(code) or _SHIFTING_TEXT.search(re.sub(_COMMENT, "", text, flags=re.S))
    return found[0].rstrip("( ") if found else None


def _require_versions(folder: Path, name: str, statements: Iterable[str]) -> None:
    """Stop where a value would change without a row version."""
    for text in statements:
        found = shifting(text)
        if found is not None:
            raise MappingError(
                f"{folder / name}.sql uses {found}, whose value changes although no row does: a "
                "cycle would not notice",
                hint="Return the time or value that the row holds, or set `whole = true` for "
                f"[tables.{name}]: the table is then read whole in every cycle.",
            )


def _statement(path: Path) -> str:
    """The one statement of a file, as it can stand in parentheses."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(
            f"{path} cannot be read: {error}",
            hint=f"{_FILE} declares it: add the file, or remove its section.",
        ) from None
    text = text.removesuffix(";").rstrip()
    if ";" in _NO_CODE.sub("", text):
        raise MappingError(f"{path} has several statements", hint="Keep one SELECT in each file.")
    return text
