"""Each entry of "Connect your tool" works as printed, and gets the rows that DuckDB itself gives.

A snippet has the published file as `data/analytics.duckdb`, open for reading elsewhere, so a client
that opened it for writing would meet DuckDB's lock.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from datetime import date
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread, Timer
from typing import Any

import duckdb
import pytest

from tests.clients.desk import PRINT_ROWS, Desk, Rows, csv_rows, printed_rows
from tests.clients.installed import run
from tests.clients.screen import Screen
from tests.fix_pipeline import Pipeline

NewDesk = Callable[[str], Desk]

# What each entry says to open the file read-only.
READ_ONLY = {
    "shell": "-readonly ",
    "python": ", read_only=True",
    "adbc": ', "access_mode": "READ_ONLY"',
    "sqlalchemy": "?access_mode=READ_ONLY",
    "ibis": ", read_only=True",
    "harlequin": "--read-only ",
    "node": ', { access_mode: "READ_ONLY" }',
}


def test_shell(new_desk: NewDesk) -> None:
    """DuckDB's shell prints the rows."""
    desk = new_desk("shell")
    (command,) = desk.entry.blocks
    assert csv_rows(desk.in_shell(command)) == desk.rows


def test_excel(new_desk: NewDesk) -> None:
    """The copy for Excel has the rows."""
    desk = new_desk("excel")
    (command,) = desk.entry.blocks
    desk.in_shell(command)
    assert csv_rows((desk.directory / "daily.csv").read_text(encoding="utf-8")) == desk.rows


def test_polars_and_pandas(new_desk: NewDesk) -> None:
    """Both kinds of frame have the rows."""
    desk = new_desk("python")
    (code,) = desk.entry.blocks
    line, _, pandas = code.partition(".pl()  # pandas: ")
    assert desk.python_rows(code) == desk.rows
    assert desk.python_rows(line + pandas) == desk.rows


@pytest.mark.parametrize("name", ["adbc", "sqlalchemy", "ibis"])
def test_python_library(new_desk: NewDesk, name: str) -> None:
    """A library of Python returns the rows."""
    desk = new_desk(name)
    (code,) = desk.entry.blocks
    assert desk.python_rows(code) == desk.rows


def test_sqlalchemy_sees_a_newer_generation(new_desk: NewDesk, small_site: Pipeline) -> None:
    """The engine's next connection is to the file that the link leads to by then."""
    desk = new_desk("sqlalchemy")
    (code,) = desk.entry.blocks
    (desk.directory / "data").unlink()
    link = desk.write("data/analytics.duckdb", "")
    link.unlink()
    link.symlink_to(small_site.published)
    newer = desk.write("newer/analytics.duckdb", "")
    newer.unlink()
    with duckdb.connect(str(newer)) as connection:
        connection.execute("create schema metrics")
        connection.execute(
            "create view metrics.daily_messages as"
            " select date '2026-01-01' as day, 1 as message_count"
        )
    (desk.directory / "next").symlink_to(newer)
    ask_again = code[code.index("with engine") :]
    code += f"import os\nos.replace('next', 'data/analytics.duckdb')\n{ask_again}"
    assert desk.python_rows(code) == [["2026-01-01", 1]]


def test_superset(new_desk: NewDesk) -> None:
    """Superset registers the URI, reads the columns of a view, and draws a chart of it."""
    desk = new_desk("superset")
    (uri,) = desk.entry.blocks
    assert uri.startswith("duckdb:////data/")
    desk.write(
        "superset_config.py",
        f"SECRET_KEY = 'not a secret, but long enough for it'\n"
        f"SQLALCHEMY_DATABASE_URI = 'sqlite:///{desk.directory}/superset.db'\n",
    )
    uri = uri.strip().replace("////", f"///{desk.directory}/")
    script = desk.write("chart.py", (Path(__file__).parent / "superset_chart.py").read_text())
    printed = desk.in_shell(
        "export SUPERSET_CONFIG_PATH=superset_config.py FLASK_APP=superset\n"
        f"superset db upgrade >upgrade.log 2>&1 && python {script} '{uri}'"
    )
    assert printed_rows(printed) == desk.rows


def test_dbt(new_desk: NewDesk) -> None:
    """A model of a view has the rows, and so has one of a macro, which its hook makes possible."""
    desk = new_desk("dbt")
    desk.write_files()
    desk.write("dbt_project.yml", "{name: reports, profile: analytics, model-paths: [models]}\n")
    desk.in_shell("dbt build --profiles-dir . --no-send-anonymous-usage-stats")
    assert _rows_of(desk.directory / "warehouse.duckdb", "daily") == desk.rows
    assert _rows_of(desk.directory / "warehouse.duckdb", "by_macro")[-len(desk.rows) :] == desk.rows


def test_sqlmesh(new_desk: NewDesk) -> None:
    """A model has the rows after a plan."""
    desk = new_desk("sqlmesh")
    desk.write_files()
    desk.in_shell("export SQLMESH__DISABLE_ANONYMIZED_ANALYTICS=1; sqlmesh plan --auto-apply")
    assert _rows_of(desk.directory / "warehouse.duckdb", "reports.daily") == desk.rows


def _rows_of(path: Path, table: str) -> Rows:
    """What a tool has written to a file of its own."""
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(f"select day, message_count from {table} order by 1").fetchall()
    return [[str(day), count] for day, count in found]


def test_jupyter(new_desk: NewDesk) -> None:
    """A kernel runs the cells, and the variable of the last one has the rows."""
    desk = new_desk("jupyter")
    (cells,) = desk.entry.blocks
    notebook = {
        "cells": [
            {"cell_type": "code", "id": f"c{number}", "metadata": {}, "outputs": [],
             "execution_count": None, "source": source}
            for number, source in enumerate([*cells.splitlines(), PRINT_ROWS])
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }  # fmt: skip
    path = desk.write("notebook.ipynb", json.dumps(notebook))
    desk.in_shell(f"jupyter execute --inplace {path.name}")
    *_, last = json.loads(path.read_text())["cells"]
    assert printed_rows("".join(last["outputs"][0]["text"])) == desk.rows


def test_harlequin(new_desk: NewDesk) -> None:
    """Harlequin shows the views, and the answer to a typed query."""
    desk = new_desk("harlequin")
    (command,) = desk.entry.blocks
    day, count = desk.rows[0]
    with Screen(desk.python.parent, command, desk.directory) as screen:
        screen.wait_for("analytics")
        screen.query(
            "select strftime(day, 'sent on %d/%m/%Y: ') || message_count as answer"
            " from metrics.daily_messages order by day limit 1",
            f"sent on {date.fromisoformat(str(day)):%d/%m/%Y}: {count}",
        )


def test_marimo(new_desk: NewDesk) -> None:
    """A notebook of the two cells has the rows."""
    desk = new_desk("marimo")
    first, query = desk.entry.blocks
    lines = "\n".join(f"    {line}" for line in first.splitlines() if line)
    desk.write(
        "notebook.py",
        "import marimo\n\napp = marimo.App()\n\n"
        f"@app.cell\ndef _():\n{lines}\n    return (analytics,)\n\n"
        "@app.cell\ndef _():\n    import marimo as mo\n    return (mo,)\n\n"
        "@app.cell\ndef _(analytics, mo):\n"
        f'    rows = mo.sql("""{query}""", engine=analytics)\n    return (rows,)\n',
    )
    code = "from notebook import app\n_, found = app.run()\nrows = found['rows']\n"
    assert desk.python_rows(code) == desk.rows


def test_streamlit(new_desk: NewDesk) -> None:
    """The page shows the rows as a table, and a chart without an error."""
    desk = new_desk("streamlit")
    (code,) = desk.entry.blocks
    desk.write("page.py", code)
    test = (
        "from streamlit.testing.v1 import AppTest\n"
        "page = AppTest.from_file('page.py').run(timeout=300)\n"
        "assert not page.exception, page.exception\n"
        "rows = page.dataframe[0].value\n"
    )
    assert desk.python_rows(test) == desk.rows


def test_node(new_desk: NewDesk) -> None:
    """Node prints the rows."""
    desk = new_desk("node")
    (code,) = desk.entry.blocks
    desk.write("script.mjs", code + "\nconsole.log(JSON.stringify(rows));\n")
    (desk.directory / "node_modules").symlink_to(desk.node / "node_modules")
    printed = run("node", "script.mjs", directory=desk.directory)
    assert [[day, int(str(count))] for day, count in printed_rows(printed)] == desk.rows


class _Site(ThreadingHTTPServer):
    """A static server that keeps what the page posts."""

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(directory)))
        self.posted: list[bytes] = []


class _Handler(SimpleHTTPRequestHandler):
    def do_POST(self) -> None:
        """Keep the body."""
        assert isinstance(self.server, _Site)
        self.server.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        Thread(target=self.server.shutdown).start()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


# The names that the package imports, for a page without a bundler.
_IMPORTS = {
    "@duckdb/duckdb-wasm": "@duckdb/duckdb-wasm/dist/duckdb-browser.mjs",
    "apache-arrow": "apache-arrow/Arrow.dom.mjs",
    "tslib": "tslib/tslib.es6.mjs",
    "flatbuffers": "flatbuffers/mjs/flatbuffers.js",
}
_POST_ROWS = """
const views = await analytics.query("select schema_name || '.' || view_name as name"
    + " from duckdb_views() where not internal and schema_name in ('main', 'metrics')");
for (const view of views.toArray()) await analytics.query(`describe ${view.name}`);
await analytics.query("from metrics.message_timeline('2026-01-01T00:00:00+01')");
await analytics.query("from metrics.message_stats(days := 30)");
const found = rows.toArray().map((row) => [new Date(Number(row.day)).toISOString().slice(0, 10),
                                           Number(row.message_count)]);
await post(JSON.stringify(found));
"""


def test_browser(new_desk: NewDesk) -> None:
    """A page in Chromium gets the rows from the file, which a static server gives it.

    Every view and a metric can be asked without an extension, which would come from the network.
    """
    desk = new_desk("browser")
    (code,) = desk.entry.blocks
    (desk.directory / "node_modules").symlink_to(desk.node / "node_modules")
    imports = {name: f"/node_modules/{path}" for name, path in _IMPORTS.items()}
    desk.write(
        "index.html",
        f'<script type="importmap">{json.dumps({"imports": imports})}</script>\n'
        '<script>const post = (body) => fetch("/", {method: "POST", body});\n'
        'addEventListener("unhandledrejection", (event) => post(String(event.reason)));\n'
        'addEventListener("error", (event) => post(event.message));</script>\n'
        f'<script type="module">\n{code}{_POST_ROWS}</script>\n',
    )
    site = _Site(desk.directory)
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")
    browser = subprocess.Popen(
        ["chromium", *options, f"--user-data-dir={desk.directory}/profile",
         f"http://127.0.0.1:{site.server_port}/index.html"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    give_up = Timer(300, site.shutdown)
    give_up.start()
    try:
        site.serve_forever()
    finally:
        give_up.cancel()
        browser.terminate()
        browser.wait()
        site.server_close()
    assert site.posted, "the page posts neither rows nor an error"
    assert json.loads(site.posted[0]) == desk.rows, site.posted[0]


@pytest.mark.parametrize("name", READ_ONLY)
def test_who_may_not_write_is_told_when_the_file_is_not_opened_read_only(
    new_desk: NewDesk, name: str
) -> None:
    """Without the option, an account that may not write gets the error that the chapter quotes."""
    desk = new_desk(name)
    (code,) = desk.entry.blocks
    assert READ_ONLY[name] in code
    code = code.replace(READ_ONLY[name], "")
    command: tuple[str | Path, ...]
    if name == "node":
        (desk.directory / "node_modules").symlink_to(desk.node / "node_modules")
        command = ("node", desk.write("script.mjs", code))
    elif name in ("shell", "harlequin"):
        command = ("sh", "-c", f"PATH={desk.python.parent}:$PATH; {code}")
    else:
        command = (desk.python, desk.write("script.py", code))
    # Root may write to a file of 0444, unless it gives up that privilege.
    if os.getuid() == 0:
        command = ("setpriv", "--bounding-set=-dac_override", *command)
    ended = subprocess.run(command, cwd=desk.directory, capture_output=True, text=True, timeout=300)
    # Without blanks and frames, which some programs put into the middle of a path.
    said = re.sub(r"[\s│]", "", ended.stdout + ended.stderr)
    assert ended.returncode != 0
    assert re.search(r'Cannotopenfile"[^"]*analytics.duckdb":Permissiondenied', said), said
