"""dlt, a common tool for the same job: from PostgreSQL into a DuckDB file.

Where dlt and the ETL differ, the comparison favours dlt:

* The same SELECTs. dlt reads tables, so the statements of `etl.forms` become views of
  a schema of their own, word for word; `sql_table` then sees the same columns (the length of a
  message, not its text) and the same rows, including the receipts' join. The bench checks that the
  row counts are equal.
* Its fastest way. The ConnectorX backend returns Arrow tables, which dlt writes as Parquet and
  DuckDB reads as they are, without normalizing row by row. All tables are extracted at the same
  time (`parallelize`), each whole in memory; the streaming variant of the backend needs less
  memory and more time.
* No telemetry, no state of an earlier run, nothing else in the pipeline.

dlt does less than a cycle of the ETL: no common snapshot of all tables, no day files, no dimension
keys, no rollups, no deduplication for the next run, no verified copy for readers. Its result is
six tables with ids as text.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import duckdb
import psycopg
from psycopg.conninfo import make_conninfo

from tests.bench.peers import Peers
from tests.bench.source_selects import selects, startup_options
from tests.bench.stopwatch import run

HERE = Path(__file__).parent
SCHEMA = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class DltLoad:
    """One load by dlt; `step_seconds` exclude the start of Python and the imports."""

    seconds: float
    peak_bytes: int
    rows: dict[str, int]
    step_seconds: dict[str, float]


def dlt_load(url: str, home: Path, peers: Peers) -> DltLoad:
    """Load the messenger at `url` into a new DuckDB file.

    Args:
        home: dlt writes below it; its files are removed afterwards.
        peers: the environment that has dlt.

    Raises:
        AnalyticsError: dlt failed.
    """
    directory = home / "dlt"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    database = directory / "dlt.duckdb"
    order = {
        "url": url,
        "connectorx_url": _connectorx_url(url),
        "schema": SCHEMA,
        "views": list(selects()),
        "database": str(database),
        "pipelines": str(directory / "pipelines"),
    }
    with _views(url):
        finished = run(
            [peers.python, "-P", HERE / "dlt_load.py", json.dumps(order)],
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


@contextmanager
def _views(url: str) -> Iterator[None]:
    """The SELECTs as views, which the ETL would take for parts of the source."""
    with psycopg.connect(
        make_conninfo(url, options=startup_options()), autocommit=True
    ) as connection:
        connection.execute(f"drop schema if exists {SCHEMA} cascade".encode())
        connection.execute(f"create schema {SCHEMA}".encode())
        for table, select in selects().items():
            connection.execute(f"create view {SCHEMA}.{table} as\n{select}".encode())
        try:
            yield
        finally:
            connection.execute(f"drop schema {SCHEMA} cascade".encode())


def _connectorx_url(url: str) -> str:
    """`url` in the form of ConnectorX: the socket as the host, and the settings of the SELECTs."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host, port = quote(query["host"][0], safe=""), query["port"][0]
    options = quote(startup_options(), safe="")
    return f"postgresql://{parts.netloc}{host}:{port}{parts.path}?options={options}"


def _count_rows(database: Path) -> dict[str, int]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return {
            table: connection.execute(f"select count(*) from {SCHEMA}.{table}").fetchall()[0][0]
            for table in selects()
        }
