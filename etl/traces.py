"""Traces: what is left of a person, in every file that could have something of them.

Decoded first: each value of each Parquet and DuckDB file is compared as a whole, because a text id
such as `ann12` is also a part of `ann123`. Then byte by byte: what no program reads any more may
still be on the disk. A text that is a part of something else that stays is left out of the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from olap import sqlfiles
from olap.delta.readme import README
from olap.delta.table_log import is_in_log
from olap.delta.upkeep import values_in
from olap.errors import ErasureError
from olap.ids import Id
from olap.layout import Layout
from olap.paths import open_read_only, pattern
from olap.tables import PERSON_COLUMNS

# A shorter text occurs anywhere by chance; the decoded search finds it where it is a value.
_RAW_BYTES_MIN = 6
# A text that is not a part of a longer word or number.
_WORD = r"(?<![^\W_]){}(?![^\W_])"
_OUR_WORDS = ("schema", "views", "macros", "metrics", "catalog")


@dataclass(slots=True)
class Seen:
    """What the decoded search saw besides what it looked for.

    Attributes:
        values: how many were compared.
        parts: the texts that are a part of a value that stays.
        made_ids: ids other than people's that contain one of the texts.
    """

    values: int = 0
    parts: set[str] = field(default_factory=set)
    made_ids: set[str] = field(default_factory=set)


def require_no_value(layout: Layout, user_id: Id, names: set[str]) -> Seen:
    """Search all Parquet and DuckDB files, decoded.

    Raises:
        ErasureError: a value is the id or a name, or a title has one of them as a word.
    """
    seen, texts = Seen(), {str(user_id), *names}
    for path in files_below(layout.root):
        with duckdb.connect() as connection:
            for where, relation in _relations(connection, path):
                for column, kind in zip(relation.columns, relation.types, strict=True):
                    found = 0
                    if column in PERSON_COLUMNS:
                        seen.values += len(relation)
                        found += len(relation.filter(_is_any(column, [user_id])))
                    if str(kind) == "VARCHAR":
                        seen.values += len(relation) * (column not in PERSON_COLUMNS)
                        found += _find_texts(relation, column, names, texts, seen)
                    if found:
                        raise ErasureError(
                            f"{path} still contains the person, {found} times in {where}{column}",
                            hint="Check that the messenger has anonymised them, then run it again.",
                        )
    return seen


def _find_texts(
    relation: duckdb.DuckDBPyRelation,
    column: str,
    names: set[str],
    texts: set[str],
    seen: Seen,
) -> int:
    """How many values of a text column name the person; what only contains a text is noted."""
    found = 0
    if column not in PERSON_COLUMNS and names:
        found += len(relation.filter(_is_any(column, sorted(names))))
    for text in sorted(texts):
        holders = relation.filter(_test("contains", column, text))
        if not len(holders):
            continue
        is_word = _test("regexp_matches", column, _as_word(text))
        if column == "title" and is_telling(text):
            found = max(found, len(holders.filter(is_word)))
            holders = holders.filter(~is_word)
        elif column.endswith("_id") and column not in PERSON_COLUMNS:
            made = holders.filter(is_word).project(column).distinct().fetchall()
            seen.made_ids |= {id_ for (id_,) in made}
        if len(holders):
            seen.parts.add(text)
    return found


def _is_any(column: str, values: list[Any]) -> duckdb.Expression:
    """Whether a column has one of these values."""
    wanted = [duckdb.ConstantExpression(value) for value in values]
    return duckdb.ColumnExpression(column).isin(*wanted)


def _test(function: str, column: str, value: str) -> duckdb.Expression:
    """What a function of DuckDB says of a column and a value."""
    return duckdb.FunctionExpression(
        function, duckdb.ColumnExpression(column), duckdb.ConstantExpression(value)
    )


def _as_word(text: str) -> str:
    """A pattern for a text between characters that are neither letters nor digits."""
    return rf"(^|[^\pL\pN]){re.escape(text)}([^\pL\pN]|$)"


def raw_bytes(user_id: Id) -> set[bytes]:
    """The bytes of a uuid in Parquet and in DuckDB, which keeps it as a number of 128 bits."""
    if not isinstance(user_id, UUID):
        return set()
    return {user_id.bytes, (user_id.int ^ 1 << 127).to_bytes(16, "little")}


def _relations(
    connection: duckdb.DuckDBPyConnection, path: Path
) -> Iterator[tuple[str, duckdb.DuckDBPyRelation]]:
    """The tables in a file, each with a prefix that tells where it is."""
    if path.suffix == ".parquet":
        yield "", connection.read_parquet(pattern(path), hive_partitioning=False)
    elif path.suffix == ".duckdb":
        with open_read_only(path) as opened:
            for (table,) in sqlfiles.run(opened, "erasure/tables"):
                yield f"core.{table}.", opened.table(f"core.{table}")


def require_no_bytes(files: Iterable[Path], texts: set[str], raw: set[bytes]) -> list[int]:
    """Search files byte by byte, and logs of Delta tables value by value; return their sizes.

    A log has many numbers, which may have the digits of an id in them, and checkpoints are
    compressed.

    Raises:
        ErasureError: a file contains one of these.
    """
    sizes = []
    for path in files:
        content = path.read_bytes()
        sizes.append(len(content))
        wanted, found_as_word = raw | {text.encode() for text in texts}, False
        if is_in_log(path) and (values := values_in(path)) is not None:
            wanted = raw
            found_as_word = any(
                re.search(_WORD.format(re.escape(t)), v) for t in texts for v in values
            )
        if found_as_word or any(found in content for found in wanted):
            raise ErasureError(
                f"{path} still contains the id or a name of the person, byte for byte",
                hint="Run a cycle, then this command again; if it fails again, remove the file.",
            )
    return sizes


def is_telling(text: str) -> bool:
    """Whether finding the text proves anything: `deleted` is also a word of our own tables."""
    ours = [sqlfiles.text(name) for folder in _OUR_WORDS for name in sqlfiles.names(folder)]
    ours.append(README)
    return len(text.encode()) >= _RAW_BYTES_MIN and not any(text in words for words in ours)


def files_below(directory: Path) -> Iterator[Path]:
    """Every regular file below a directory."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path
