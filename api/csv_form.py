"""Answers as CSV (RFC 4180), for spreadsheets and scripts.

An answer with one list of rows is these rows. Another answer is one row of all its fields but such
lists; a nested field is named after both (`message_stats_total_messages`). `/dashboard` and
`/catalog` have several lists, so their parameter `table` names one. A list of texts is one cell,
with a semicolon between them.

With `compare` the rows of the earlier period follow, and three columns say which period a row is
about: `is_compared`, `since` and `until`.

A spreadsheet computes a cell that begins with `=`, `+`, `-` or `@`, and users write names and
titles. The rule here: wherever a reader may begin a cell, no text begins with such a sign.

* A cell begins with each text. Where the separator is a semicolon (most of Europe) or a tab, quotes
  in the middle of a line mean nothing, so one begins after each of them within a text, too, and
  after each line break.
* Spreadsheets skip blanks, control characters and characters that show nothing; so does the rule.
* They also take variants of the signs for them, such as the full-width ones of East Asia.

An apostrophe before the sign makes it text.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, get_args, get_origin

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, fields

_BOM = "\ufeff"  # Excel reads a file without it in the encoding of the machine
_PERIOD = ("is_compared", "since", "until")
_SIGNS = "=+-@\u2212"  # the last one is the mathematical minus
_CELL_ENDS = re.compile(r"(?<=[;\uff1b\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029])")
# Control and format characters, blanks, combining marks, and what has no category.
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Zs", "Zl", "Zp", "Mn", "Me"})
# Fillers that show nothing but count as letters or symbols, and quotes, which a reader removes.
_UNSEEN = frozenset('\u115f\u1160\u2800\u3164\uffa0"')


def to_csv(answer: msgspec.Struct, *, table: str | None = None, bom: bool = False) -> bytes:
    """An answer as CSV with a header, also where there are no rows.

    Args:
        table: the list of the answer to show; by default its only list. Where there is no such
            list, the answer is one row of its fields.
        bom: whether the text begins with a byte order mark.
    """
    lists = lists_of(type(answer))
    if table is None and len(lists) == 1:
        (table,) = lists
    table = table if table in lists else None
    rows = _rows(answer, table)
    names = list(rows[0]) if table is None else [field.name for field in fields(lists[table])]
    compared = getattr(answer, "compared", UNSET)
    if compared is not UNSET:
        # The generation is the same in the row of the earlier period, which is never cut.
        same = rows[0] | {"is_cut": False} if table is None else {}
        rows = [row | _period_of(answer, is_compared=False) for row in rows]
        if compared is not None:
            of_earlier = _period_of(compared, is_compared=True)
            rows += [same | row | of_earlier for row in _rows(compared, table)]
        names += [name for name in _PERIOD if name not in names]
    return _written(names, [[row[name] for name in names] for row in rows], _BOM if bom else "")


def _rows(part: msgspec.Struct, table: str | None) -> list[dict[str, Any]]:
    """The rows of a list, or the one row of an answer without it."""
    if table is None:
        return [dict(_flat(part))]
    return [asdict(row) for row in getattr(part, table)]


def _period_of(part: Any, *, is_compared: bool) -> dict[str, Any]:
    """The cells that say which period a row is about."""
    return dict(zip(_PERIOD, (is_compared, part.since, part.until), strict=True))


@cache
def lists_of(answer: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """The fields of an answer that are lists of rows, and the types of these."""
    found = {}
    for field in fields(answer):
        if get_origin(field.type) is list:
            (row,) = get_args(field.type)
            if isinstance(row, type) and issubclass(row, msgspec.Struct):
                found[field.name] = row
    return found


def _flat(answer: msgspec.Struct, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of an answer and of its parts, without lists of rows and an earlier period."""
    lists = lists_of(type(answer))
    for field in fields(answer):
        value = getattr(answer, field.name)
        if field.name == "compared":
            continue
        if isinstance(value, msgspec.Struct):
            yield from _flat(value, f"{prefix}{field.name}_")
        elif field.name not in lists:
            yield prefix + field.name, value


def _written(names: Sequence[str], rows: Sequence[Sequence[Any]], start: str) -> bytes:
    text = io.StringIO(start, newline="")
    text.seek(0, io.SEEK_END)
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return msgspec.to_builtins(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return without_formulas("; ".join(value))
    return without_formulas(value) if isinstance(value, str) else value


def without_formulas(text: str) -> str:
    """A text in which no spreadsheet finds a formula; the text itself where there is none."""
    return "".join(map(_quoted, _CELL_ENDS.split(text)))


def _quoted(cell: str) -> str:
    first = next((char for char in cell if not _is_unseen(char)), "")
    # Compatibility forms: full-width, small, super- and subscript signs, and signs that begin so.
    is_formula = first != "" and unicodedata.normalize("NFKC", first)[0] in _SIGNS
    return f"'{cell}" if is_formula else cell


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN_CATEGORIES or char in _UNSEEN
