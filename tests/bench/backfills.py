"""The speed and memory of a backfill with two readers, from nothing to a published generation.

The memory must not depend on the size of the messenger, so it is measured at two sizes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.bench.etl_run import EtlRun, etl_run
from tests.bench.source import Say


def measure_backfills(url: str, data_dir: Path, *, rounds: int, say: Say) -> tuple[EtlRun, ...]:
    """Backfill the messenger at `url` into an empty `data_dir`, `rounds` times.

    Raises:
        AnalyticsError: a backfill failed.
    """
    runs: list[EtlRun] = []
    for number in range(1, rounds + 1):
        shutil.rmtree(data_dir, ignore_errors=True)
        runs.append(etl_run(url, data_dir, "backfill", "--jobs", "2"))
        say(f"backfill {number} of {rounds}: {runs[-1].seconds:.1f} s")
    return tuple(runs)
