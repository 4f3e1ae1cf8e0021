"""What one would otherwise take: dlt, from PostgreSQL into a DuckDB file.

The comparison is set up in dlt's favour wherever the two do not do the same:

* The same SELECTs. dlt reads tables, so the statements of `sql/source/messenger` become views of
  a schema of their own, word for word; `sql_table` then sees the same columns (the length of a
  message, not its text) and the same rows, the receipts' join included. That the row counts are
  equal is checked.
* Its fastest way. The ConnectorX backend hands over Arrow tables, which dlt writes as Parquet and
  DuckDB reads as such, without a normalization by row. All tables are extracted at the same time
  (`parallelize`), each whole in memory; the streaming variant of the backend needs less memory
  and more time.
* No telemetry, no state from an earlier run, nothing else in the pipeline.

It does less than a cycle of ours: no common snapshot of all tables, no day files, no dimension
keys, no rollups, no deduplication for the next run, no verified copy for readers. Its result is
six tables with ids as text.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import duckdb
import psycopg

from etl.source import MAPPING
from olap import sqlfiles
from olap.errors import AnalyticsError
from olap.tables import TABLE_NAMES
from tests.bench.stopwatch import run

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.lock"
SCHEMA = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class DltLoad:
    """One load by dlt; `step_seconds` leave out the start of Python and the imports."""

    seconds: float
    peak_bytes: int
    rows: dict[str, int]
    step_seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class DltPeer:
    """dlt in an environment of its own.

    Attributes:
        home: what it installs and writes lies below.
    """

    home: Path

    @property
    def python(self) -> Path:
        return self.home / "venv" / "bin" / "python"

    def install(self) -> None:
        """Make the environment from the pinned requirements, once per state of these.

        Raises:
            AnalyticsError: the packages cannot be installed.
        """
        ready = self.home / "venv" / "ready"
        digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
        if ready.exists() and ready.read_text() == digest:
            return
        shutil.rmtree(self.home / "venv", ignore_errors=True)
        pip: list[str | Path] = [self.python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        commands: list[list[str | Path]] = [
            [sys.executable, "-m", "venv", self.home / "venv"],
            [*pip, "install", "--require-hashes", "--requirement", REQUIREMENTS],
        ]
        for command in commands:
            finished = subprocess.run(command, capture_output=True, text=True)
            if finished.returncode != 0:
                raise AnalyticsError(
                    f"the peers cannot be installed:\n{finished.stderr.strip()[-1000:]}",
                    hint="Check the network, or measure without them: --no-peers.",
                )
        ready.write_text(digest)

    def load(self, url: str) -> DltLoad:
        """Load the messenger at `url` into a fresh DuckDB file.

        Raises:
            AnalyticsError: dlt failed.
        """
        _make_views(url)
        directory = self.home / "dlt"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        database = directory / "dlt.duckdb"
        order = {
            "url": url,
            "connectorx_url": _connectorx_url(url),
            "schema": SCHEMA,
            "views": TABLE_NAMES,
            "database": str(database),
            "pipelines": str(directory / "pipelines"),
        }
        finished = run(
            [self.python, "-P", HERE / "dlt_load.py", json.dumps(order)],
            {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(directory / "dlt")},
        )
        rows = _count_rows(database)
        shutil.rmtree(directory)
        return DltLoad(
            seconds=finished.seconds,
            peak_bytes=finished.peak_bytes,
            rows=rows,
            step_seconds=json.loads(finished.stdout.splitlines()[-1]),
        )


def _make_views(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(f"drop schema if exists {SCHEMA} cascade".encode())
        connection.execute(f"create schema {SCHEMA}".encode())
        for table in TABLE_NAMES:
            select = sqlfiles.text(f"{MAPPING}/{table}")
            connection.execute(f"create view {SCHEMA}.{table} as\n{select}".encode())


def _connectorx_url(url: str) -> str:
    """`url` as ConnectorX wants it: the socket where the host stands, the setting for the views."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host, port = quote(query["host"][0], safe=""), query["port"][0]
    options = quote("-c analytics.watermark=", safe="")
    return f"postgresql://{parts.netloc}{host}:{port}{parts.path}?options={options}"


def _count_rows(database: Path) -> dict[str, int]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return {
            table: connection.execute(f"select count(*) from {SCHEMA}.{table}").fetchall()[0][0]
            for table in TABLE_NAMES
        }
