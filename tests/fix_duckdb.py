"""The shells of older versions of DuckDB, which people open generations with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.environments import Environment

_ROOT = Path(__file__).parents[1]
_LTS = Environment(_ROOT / "build" / "duckdb-1.4", Path(__file__).with_name("duckdb_1_4.lock"))


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell of DuckDB.

    Attributes:
        version: its major and minor version.
    """

    version: str
    path: Path

    def run(self, file: Path | None, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script on a file, which is opened read-only; None = in memory."""
        opened = ["-readonly", str(file)] if file is not None else []
        return subprocess.run(
            [self.path, "-no-stdin", "-json", "-bail", *opened, "-c", script],
            capture_output=True,
            text=True,
            timeout=3600,
        )

    def ask(self, file: Path | None, queries: Iterable[str]) -> list[list[dict[str, Any]]]:
        """The rows of each query, as JSON has them; numbers with a point are decimals."""
        # An answer without rows prints nothing, so each one follows a mark.
        script = "\n".join(f"select 'next' as mark; {query};" for query in queries)
        finished = self.run(file, script)
        assert finished.returncode == 0, finished.stderr
        output, position = finished.stdout.strip(), 0
        answers: list[list[dict[str, Any]]] = []
        decoder = json.JSONDecoder(parse_float=Decimal)
        while position < len(output):
            rows, position = decoder.raw_decode(output, position)
            while position < len(output) and output[position].isspace():
                position += 1
            if rows == [{"mark": "next"}]:
                answers.append([])
            else:
                answers[-1] = rows
        return answers


@pytest.fixture(scope="session", params=["1.4", "1.5"])
def older_shell(request: pytest.FixtureRequest) -> Shell:
    """The shell of DuckDB 1.4, and that of 1.5."""
    if request.param == "1.5":
        path = Path(sys.executable).with_name("duckdb")
    else:
        _LTS.install()
        path = _LTS.python.with_name("duckdb")
    shell = Shell(request.param, path)
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    assert told.startswith(f"v{shell.version}."), told
    return shell
