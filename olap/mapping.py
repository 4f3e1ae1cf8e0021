"""The mapping: how a messenger's PostgreSQL tables become the tables of `olap.tables`.

A mapping is a folder, named by `SOURCE_MAPPING`, with one SELECT per table and no Python:

    my_messenger/
    ├── mapping.toml                    ids, source tables, what is not exact
    ├── users.sql  conversations.sql  participants.sql  messages.sql       required
    ├── read_receipts.sql  read_marks.sql  events.sql  reactions.sql       optional
    ├── touched/messages.sql            optional: which rows of other tables change a message
    └── sink/events.sql                 optional: the INSERT of `POST /events`

Each SELECT returns the columns of its table, and besides `xmin as row_version` of the row that
decides whether the result is new, and `ctid as place` of the same row: facts are read in ranges of
places, and rows whose keys a feed names are read by their places. All statements that ask the
source are made from it; see `etl.forms`. A table without a SELECT is *not available*.

What a SELECT computes must follow from rows with a version. `now()` or `random()` would change
without one, so they are refused, except in a table that is read whole in every cycle.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from olap import sqlfiles
from olap.errors import MappingError
from olap.ids import IdTypes
from olap.tables import FACT_NAMES, FACTS, MESSAGES, TABLES, Table

SHIPPED = "source"
_FILE = "mapping.toml"
ABOUT_MESSAGES = frozenset(fact.name for fact in FACTS if fact.is_about_message)

# What PostgreSQL computes again at every reading, and the texts that it reads as the present. `age`
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
_PLACE = re.compile(r"\bctid\s+as\s+place\b", re.IGNORECASE)
_NO_CODE = re.compile(rf"""{_COMMENT}|'(?:[^']|'')*'|"(?:[^"]|"")*\"""", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedTable:
    """How one table is read.

    Attributes:
        select: its SELECT.
        reads: the source tables, as SQL writes them; they are locked, and watched for changes.
        places: those of `reads` whose rows have the `place`; several for a UNION ALL.
        key: the columns of each of `places` that are, unchanged, the key of the table here, in its
            order; empty where a row of the source does not tell it.
        touched: a SELECT of `row_version`, `place` and a message's or the fact's own id: the rows
            that changed because a row of another table did.
        follows: `messages`, if their rows touch those of this fact, and `touched` returns them.
        is_filtered: a row of `places` may be no row here, or several.
        is_whole: read whole in every cycle, because no row version announces a change.
        is_optional: the source may lack the table; it is then not available.
    """

    select: str
    reads: tuple[str, ...]
    places: tuple[str, ...]
    key: tuple[str, ...] = ()
    touched: str | None = None
    follows: str | None = None
    is_filtered: bool = False
    is_whole: bool = False
    is_optional: bool = False

    @property
    def digest(self) -> str:
        """Changes when the SELECTs do."""
        statements = (sqlfiles.statements(text) for text in (self.select, self.touched or ""))
        return hashlib.sha256("\0".join(statements).encode()).hexdigest()[:16]

    @property
    def shifts(self) -> bool:
        """Whether its SELECT computes what changes although no row does (`shifting`)."""
        return shifting(self.select) is not None

    @property
    def has_place(self) -> bool:
        """Whether its rows can be read by their places."""
        return not self.is_whole and returns_place(self.select)

    @property
    def touched_has_place(self) -> bool:
        """Whether the rows that other tables touch are found by the places of these."""
        return self.touched is None or returns_place(self.touched)

    def key_positions(self, columns: Sequence[str]) -> tuple[int, ...] | None:
        """Where the parts of the key here are in a key of the source; None where it lacks one.

        Args:
            columns: of the key of the source, such as its replica identity.
        """
        if not self.key or not set(self.key) <= set(columns):
            return None
        return tuple(columns.index(name) for name in self.key)


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
    key: tuple[str, ...] = ()
    follows: str | None = None
    filtered: bool = False
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
    tables = {
        table.name: _mapped(folder, table, declared.tables[table.name])
        for table in TABLES
        if table.name in declared.tables
    }
    for name, mapped in tables.items():
        if mapped.follows is not None:
            tables[name] = _following(folder, name, mapped, tables[MESSAGES.name])
    sink = folder / "sink" / "events.sql"
    return SourceMapping(
        name=folder.name,
        folder=folder,
        ids=declared.ids,
        inexact=declared.inexact,
        tables=tables,
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


def _mapped(folder: Path, table: Table, declared: _DeclaredTable) -> MappedTable:
    name, touched = table.name, folder / "touched" / f"{table.name}.sql"
    places = declared.places or declared.reads[:1]
    if not declared.reads or set(places) - set(declared.reads):
        raise MappingError(
            f"{folder / _FILE}: `reads` of [tables.{name}] lacks a table",
            hint="List every table of the source that the SELECT reads, and in `places` only "
            "tables that `reads` lists.",
        )
    if declared.key and (declared.whole or len(declared.key) != len(table.key)):
        raise MappingError(
            f"{folder / _FILE}: `key` of [tables.{name}] cannot be used",
            hint=f"List the columns of {', '.join(places)} that are returned unchanged as "
            f"{', '.join(table.key)}, in this order; leave it out with `whole = true`, or where "
            "one of them is computed.",
        )
    mapped = MappedTable(
        select=_statement(folder / f"{name}.sql"),
        reads=declared.reads,
        places=places,
        key=declared.key,
        touched=_statement(touched) if touched.exists() else None,
        follows=declared.follows,
        is_filtered=declared.filtered,
        is_whole=declared.whole,
        is_optional=declared.optional,
    )
    if mapped.touched is not None and (mapped.is_whole or name not in FACT_NAMES):
        raise MappingError(
            f"{touched} is never read",
            hint="Only facts have it, and not with `whole = true`; remove the file.",
        )
    if mapped.touched is not None and mapped.follows is not None:
        raise MappingError(
            f"{touched} is never read, because [tables.{name}] has `follows`",
            hint="Remove the file, or `follows`.",
        )
    if not mapped.is_whole:
        _require_versions(folder, name, (mapped.select, mapped.touched or ""))
    return mapped


def _following(folder: Path, name: str, mapped: MappedTable, messages: MappedTable) -> MappedTable:
    """The table with the messages as the rows that touch it."""
    problem, hint = "", "Remove `follows`."
    if mapped.follows != MESSAGES.name:
        problem = f"{mapped.follows} is not what its rows are about"
        hint = f'Write `follows = "{MESSAGES.name}"`, or remove it.'
    elif mapped.is_whole or name not in ABOUT_MESSAGES:
        problem = "its rows are not looked up by their message"
    elif messages.is_whole or messages.is_filtered:
        problem = "not every row of the source's messages is a message here"
        hint = f"Remove `follows`, and write touched/{name}.sql."
    if problem:
        raise MappingError(
            f"{folder / _FILE}: `follows` of [tables.{name}] cannot be used: {problem}", hint=hint
        )
    followed = sqlfiles.text("source/followed")
    touched = followed.replace("from followed_select", f"from (\n{messages.select}\n)")
    return replace(mapped, touched=touched)


def returns_place(text: str) -> bool:
    """Whether a SELECT returns `ctid as place`."""
    return _PLACE.search(_NO_CODE.sub("", text)) is not None


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
