"""The README of the lake: how engines read one cut of its Delta tables.

It is generated from the columns of the tables, and holds nothing of the data. The tests run its
examples for Polars, DuckDB, ClickHouse and Spark as they are printed; the readers of the others are
in no registry that installs without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# With places for what depends on the mapping.
README = Path(__file__).with_name("readme.md").read_text(encoding="utf-8")


def readme(columns: Mapping[str, Mapping[str, str]], facts: frozenset[str]) -> str:
    """The text.

    Args:
        columns: those of each table, with their types in Delta.
        facts: the tables that are partitioned by day.
    """
    rows = ["| table | columns |", "|---|---|"]
    for table, types in columns.items():
        shown = {**types, **({"day": "date, the partition"} if table in facts else {})}
        listed = ", ".join(f"{name} {type_}" for name, type_ in shown.items())
        rows.append(f"| `{table}` | {listed} |")
    binary = [(table, name) for table, types in columns.items() for name, type_ in types.items()
              if type_ == "binary"]  # fmt: skip
    head, _, rest = README.partition("<!-- uuids -->\n")
    uuids, _, tail = rest.partition("<!-- /uuids -->\n")
    return (head + (uuids if binary else "") + tail).replace("<!-- tables -->", "\n".join(rows))
