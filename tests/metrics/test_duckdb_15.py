"""DuckDB 1.5 reads the same rows from the same file as DuckDB 2."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest

from tests.metrics.filled import Filled, literal
from tests.metrics.question_grid import questions
from tests.metrics.random_worlds import PARAMETERS

pytestmark = pytest.mark.slow

CLI = Path(sys.executable).with_name("duckdb")


def shown(value: Any) -> Any:
    """A value as the DuckDB shell prints it in JSON."""
    if isinstance(value, str) and value.startswith("decimal "):
        return value.removeprefix("decimal ")
    if isinstance(value, list):
        return {name: Decimal(shown(part)) for name, part in value}
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, UUID):
        return str(value)
    return str(value).rstrip("0") if value.microsecond else str(value)


def test_duckdb_15_answers_the_same(marked: Path, tmp_path: Path) -> None:
    """The shell of DuckDB 1.5 opens the file and returns the rows of every metric."""
    version = subprocess.run([CLI, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("v1.5.")
    with closing(duckdb.connect(str(marked), read_only=True)) as published:
        filled = Filled(published)
        asked = questions(filled)
        calls = [
            f"from metrics.{m}({', '.join(f'{n} := {literal(v)}' for n, v in a.items())});"
            for m, a in asked
        ]
        expected = [
            [{name: shown(value) for name, value in row} for row in filled.ask(m, **a)]
            for m, a in asked
        ]
    numbered = [f"select 'answer {number}' as mark; {call}" for number, call in enumerate(calls)]
    script = tmp_path / "questions.sql"
    script.write_text("\n".join(numbered))
    output = subprocess.run(
        [CLI, "-readonly", "-json", "-bail", str(marked), "-f", str(script)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    found: list[list[dict[str, Any]]] = []
    decoder, position = json.JSONDecoder(parse_float=Decimal), 0
    while position < len(output.rstrip()):
        rows, position = decoder.raw_decode(output, position)
        while position < len(output) and output[position] in "\n ":
            position += 1
        if rows and "mark" in rows[0]:
            found.append([])
        else:
            found[-1] = rows
    for question, rows, answer in zip(asked, found, expected, strict=True):
        assert rows == answer, question
    assert {metric for metric, _ in asked} == set(PARAMETERS)
