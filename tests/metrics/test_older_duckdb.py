"""DuckDB 1.4 and 1.5 read the same rows from the same file as DuckDB 2."""

from __future__ import annotations

import json
import re
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest

from tests.fix_duckdb import Shell
from tests.metrics.filled import Filled, literal, plain
from tests.metrics.question_grid import questions
from tests.metrics.random_worlds import PARAMETERS

pytestmark = pytest.mark.slow


def shown(value: Any) -> Any:
    """A value as the DuckDB shell prints it in JSON."""
    if isinstance(value, str) and value.startswith("decimal "):
        return Decimal(value.removeprefix("decimal "))
    if isinstance(value, list):
        return {name: shown(part) for name, part in value}
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, UUID):
        return str(value)
    return str(value).rstrip("0") if getattr(value, "microsecond", 0) else str(value)


def told(value: Any) -> Any:
    """A value of JSON, with decimals where the shell prints texts; 1.4 does so in a struct."""
    if isinstance(value, dict):
        return {name: told(part) for name, part in value.items()}
    if isinstance(value, str) and value.startswith("{'"):
        return json.loads(value.replace("'", '"'), parse_float=Decimal)
    if isinstance(value, str) and re.fullmatch(r"\d+\.\d+", value):
        return Decimal(value)
    return value


def test_metrics_answer_the_same(older_shell: Shell, marked: Path) -> None:
    """An older shell opens the file and returns the rows of every metric."""
    with closing(duckdb.connect(str(marked), read_only=True)) as published:
        filled = Filled(published)
        asked = questions(filled)
        expected = [
            [{name: shown(value) for name, value in row} for row in filled.ask(m, **a)]
            for m, a in asked
        ]
    calls = [
        f"from metrics.{m}({', '.join(f'{n} := {literal(v)}' for n, v in a.items())})"
        for m, a in asked
    ]
    found = older_shell.ask(marked, calls)
    for question, rows, answer in zip(asked, found, expected, strict=True):
        assert [told(row) for row in rows] == answer, question
    assert {metric for metric, _ in asked} == set(PARAMETERS)


def test_views_answer_the_same(older_shell: Shell, marked: Path) -> None:
    """Each view of the file has the same rows, also where the file is only attached."""
    with closing(duckdb.connect(str(marked), read_only=True)) as published:
        views = published.execute(
            "select schema_name, view_name from duckdb_views() where not internal order by all"
        ).fetchall()
        queries, expected = [], []
        for schema, view in views:
            columns = [
                f"strftime({name} at time zone 'UTC', '%c %f') as {name}"
                if kind == "TIMESTAMP WITH TIME ZONE"
                else f'"{name}"'
                for name, kind, *_ in published.execute(f"describe {schema}.{view}").fetchall()
            ]
            query = f"select {', '.join(columns)} from {{}}{schema}.{view} order by all limit 500"
            result = published.execute(query.format(""))
            names = [column[0] for column in result.description]
            expected.append(
                [
                    dict(zip(names, map(shown, map(plain, row)), strict=True))
                    for row in result.fetchall()
                ]
            )
            queries.append(query)
    assert sum(map(bool, expected)) > 20
    opened = older_shell.ask(marked, [query.format("") for query in queries])
    attached = older_shell.ask(
        None,
        [f"attach '{marked}' as other (read_only)"] + [q.format("other.") for q in queries],
    )[1:]
    for query, rows, answer in zip(queries * 2, opened + attached, expected * 2, strict=True):
        assert [told(row) for row in rows] == answer, query
