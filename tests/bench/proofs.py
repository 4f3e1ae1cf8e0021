"""A full verify, and the cheapest comparable work of PostgreSQL.

`python -m etl verify` reads what is new, compares whole days with the source under one snapshot,
runs the checks and publishes. On the same server the bench times a plain `SELECT count(*)` of each
table, and the sum of an md5 of every row of the SELECTs that the ETL reads with.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg
from psycopg import sql

from etl.sandbox.load import TABLES as SOURCE_TABLES
from tests.bench.etl_run import etl, etl_run
from tests.bench.source import Say
from tests.bench.source_selects import prepare, selects

_COUNT = sql.SQL("select count(*) from {}")
_MD5 = """
    select count(*), sum(('x' || left(md5(found::text), 15))::bit(60)::bigint)
    from (
        {}
    ) as found
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """Full verifies of one messenger, and the times of PostgreSQL alone; one entry per round.

    Attributes:
        rows: in all its tables.
        verify_seconds: of the whole process.
    """

    rows: int
    verify_seconds: tuple[float, ...]
    count_seconds: tuple[float, ...]
    md5_seconds: tuple[float, ...]

    def per_million_rows(self, seconds: tuple[float, ...]) -> float:
        """The median, for a million rows."""
        return median(seconds) / (self.rows / 1e6)


def measure_proofs(url: str, data_dir: Path, *, rounds: int, say: Say) -> Proofs:
    """Load the messenger at `url` into `data_dir` and verify it `rounds` times.

    Nothing may change the messenger meanwhile: all readers must find the same rows.

    Raises:
        AnalyticsError: the load or a verify failed.
    """
    shutil.rmtree(data_dir, ignore_errors=True)
    rows = sum(etl_run(url, data_dir).rows_read.values())
    verify: list[float] = []
    counts: list[float] = []
    sums: list[float] = []
    for number in range(1, rounds + 1):
        counts.append(_count(url))
        sums.append(_md5(url))
        verify.append(etl(url, data_dir, "verify").seconds)
        say(
            f"proofs {number} of {rounds}: count {counts[-1]:.1f} s, md5 {sums[-1]:.1f} s, "
            f"verify {verify[-1]:.1f} s"
        )
    return Proofs(
        rows=rows,
        verify_seconds=tuple(verify),
        count_seconds=tuple(counts),
        md5_seconds=tuple(sums),
    )


def _count(url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        started = time.perf_counter()
        for table in SOURCE_TABLES:
            connection.execute(_COUNT.format(sql.Identifier(table)))
        return time.perf_counter() - started


def _md5(url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        prepare(connection)
        started = time.perf_counter()
        for select in selects().values():
            connection.execute(_MD5.format(select).encode())
        return time.perf_counter() - started
