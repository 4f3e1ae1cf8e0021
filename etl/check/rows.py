"""What is wrong with rows: keys that are null or not unique, facts without a time, odd times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from etl.check.findings import Finding, error, warning
from olap.tables import Fact, Table

SHOWN_CHARACTERS = 25


EXAMPLES = 3


FIRST_YEAR = 2000


def data_findings(
    table: Table, rows: pa.Table, now: datetime, replaced: Collection[str] = ()
) -> Iterator[Finding]:
    """What is wrong with these rows.

    Args:
        now: the source's clock, UTC.
        replaced: columns that are null only because they could not be read.
    """
    for name in dict.fromkeys((*table.key, *([table.time] if isinstance(table, Fact) else []))):
        if (nulls := rows[name].null_count) and name not in replaced:
            hint = f"Return the source's id as {name}, and no row without one: it is in the key."
            if name not in table.key:
                hint = "A fact belongs to a day by its time: return one, or leave the row out."
            yield error(
                table,
                f"{name} is null in {nulls:,} of the {rows.num_rows:,} rows that were read "
                f"({100 * nulls / rows.num_rows:.1f} %)",
                hint,
            )
    yield from _duplicates(table, rows)
    for name in table.times:
        if name != "message_created_at":  # named for messages
            yield from _odd_times(table, name, rows[name], now)


def _duplicates(table: Table, rows: pa.Table) -> Iterator[Finding]:
    keys = zip(*(rows[name].to_pylist() for name in table.key), strict=True)
    counts = Counter(key for key in keys if None not in key)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        examples = [", ".join(map(shortened, key)) for key in twice[:EXAMPLES]]
        rest = " …" if len(twice) > EXAMPLES else ""
        yield error(
            table,
            f"several rows have the same key ({', '.join(table.key)}), "
            f"{len(twice):,} keys in all: {'; '.join(examples)}{rest}",
            "One row per key: correct a join that multiplies rows, or choose one row with a "
            "scalar subquery.",
        )


def _odd_times(
    table: Table, name: str, column: pa.ChunkedArray[Any], now: datetime
) -> Iterator[Finding]:
    first = datetime(FIRST_YEAR, 1, 1)
    until = now.replace(tzinfo=None) + timedelta(days=1)
    known = len(column) - column.null_count
    for words, are_odd, hint in (
        (
            f"before the year {FIRST_YEAR}",
            pc.less(column, pa.scalar(first, column.type)),
            "Seconds taken for milliseconds look like this; so does a 0 that means never: write "
            "`nullif(…, 0)`.",
        ),
        (
            "in the future",
            pc.greater(column, pa.scalar(until, column.type)),
            "Milliseconds taken for seconds look like this, and so does a sender's wrong clock.",
        ),
    ):
        odd = column.filter(are_odd)
        if len(odd):
            # The unit is wrong where most are; otherwise some rows are what they are.
            finding = error if 2 * len(odd) > known else warning
            example = shortened(odd[0].as_py())
            message = f"{name} is {words} in {len(odd):,} of {known:,} rows, such as {example}"
            yield finding(table, message, hint)


def shortened(value: object) -> str:
    """A value for people, in at most 25 characters."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
