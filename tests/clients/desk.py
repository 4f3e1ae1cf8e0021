"""An analyst's desk: a directory with `data/`, where a client runs what the chapter shows."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tests.clients.chapter import Entry
from tests.clients.installed import node_with, python_with, run

Rows = list[list[object]]

QUESTION = "select day, message_count from metrics.daily_messages"

# Prints the variable `rows` of a Python client, whatever it is there, as the last line.
PRINT_ROWS = """
import json as _json
if hasattr(rows, "DataFrame"):
    rows = rows.DataFrame()
if hasattr(rows, "itertuples"):
    _found = rows.itertuples(index=False, name=None)
elif hasattr(rows, "iter_rows"):
    _found = rows.iter_rows()
elif hasattr(rows, "itercolumns"):
    _found = zip(*(column.to_pylist() for column in rows.itercolumns()))
else:
    _found = rows
print(_json.dumps([[str(day)[:10], int(count)] for day, count in _found]))
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A directory that has the published files as `data`, and one client to try.

    Attributes:
        rows: DuckDB's own answer to the chapter's question, as JSON has it.
    """

    directory: Path
    entry: Entry
    rows: Rows

    @property
    def python(self) -> Path:
        """The interpreter of the environment of this client."""
        return python_with(*self.entry.pins)

    @property
    def node(self) -> Path:
        """The directory of the Node package of this client."""
        return node_with(*self.entry.pins)

    def write(self, name: str, text: str) -> Path:
        """Write a file, its directory too."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_files(self) -> None:
        """Write the files of the entry."""
        for name, text in self.entry.files.items():
            self.write(name, text)

    def in_shell(self, command: str) -> str:
        """What a line prints that begins with a program of the client's environment."""
        path = f"{self.python.parent}:{os.environ['PATH']}"
        return run("env", f"PATH={path}", "sh", "-c", command, directory=self.directory)

    def python_rows(self, code: str) -> Rows:
        """The variable `rows` of Python code."""
        script = self.write("script.py", code + PRINT_ROWS)
        return printed_rows(run(self.python, script, directory=self.directory))


def printed_rows(printed: str) -> Rows:
    """The rows that a line of an output has as JSON; a warning may follow."""
    *_, line = (one for one in printed.splitlines() if one.startswith("[["))
    rows: Rows = json.loads(line)
    return rows


def csv_rows(text: str) -> Rows:
    """The rows of a CSV of two columns, without its header."""
    found = re.findall(r"^(\d{4}-\d\d-\d\d),(\d+)\r?$", text, re.MULTILINE)
    return [[day, int(count)] for day, count in found]
