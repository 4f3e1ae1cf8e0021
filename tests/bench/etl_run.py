"""Measure `python -m etl …` as a user starts it, with the figures of its canonical log line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olap.errors import AnalyticsError
from olap.manifest import Mode
from tests.bench.server_time import server_seconds
from tests.bench.stopwatch import Run, run

FOLD_STEPS = ("days", "dimensions", "facts", "rollups", "commit")


@dataclass(frozen=True, slots=True, kw_only=True)
class EtlRun:
    """One cycle in a process of its own.

    Attributes:
        seconds: wall time of the process; `steps_ms` exclude its start and its end.
        processor_seconds: of the process.
        server_seconds: processor time of the server meanwhile.
        peak_bytes: its peak memory.
        load_average: runnable processes in the minute before it.
        mode: how it found the rows that changed.
        rows_read: by table.
        steps_ms: milliseconds by step, as logged.
    """

    seconds: float
    processor_seconds: float
    server_seconds: float
    peak_bytes: int
    load_average: float
    mode: Mode
    rows_read: dict[str, int]
    rows_changed: int
    days_rebuilt: int
    steps_ms: dict[str, int]

    @property
    def read_ms(self) -> int:
        """From the connection to the end of the source transaction."""
        return self.steps_ms["read"]

    @property
    def fold_ms(self) -> int:
        """Day files, dimensions, facts, rollups and the commit."""
        return sum(self.steps_ms[step] for step in FOLD_STEPS)

    @property
    def fold_and_publish_seconds(self) -> float:
        """The time of everything after the read."""
        return (self.fold_ms + self.publish_ms) / 1000

    @property
    def publish_ms(self) -> int:
        """Checkpoint, copy, verification and the switch to the new generation."""
        return self.steps_ms["publish"]

    @property
    def beside_two_cores(self) -> float:
        """The least time that two shared cores need for this work, as a share of the time."""
        return (self.processor_seconds + self.server_seconds) / 2 / self.seconds

    @property
    def cycle_ms(self) -> int:
        """All steps of the cycle, without the start and the end of the process."""
        return sum(self.steps_ms.values())


def etl_run(
    url: str,
    data_dir: Path,
    *command: str,
    settings: Mapping[str, str] | None = None,
    must_publish: bool = True,
) -> EtlRun:
    """Run one cycle from the database `url` into `data_dir`.

    Args:
        command: another command that ends with a cycle, and its options.
        settings: further variables of its environment.
        must_publish: whether a cycle without a new generation is an error.

    Raises:
        AnalyticsError: the command failed, or published nothing although it must.
    """
    load, server = os.getloadavg()[0], server_seconds(url)
    finished = etl(url, data_dir, *(command or ("run",)), settings=settings)
    cycle = _canonical_line(finished.stderr)
    if must_publish and not cycle["is_published"]:
        raise AnalyticsError(
            "the cycle found nothing to publish, so it cannot be compared",
            hint="Run the bench again; if this repeats, its changes do not reach the source.",
        )
    return EtlRun(
        seconds=finished.seconds,
        processor_seconds=finished.processor_seconds,
        server_seconds=server_seconds(url) - server,
        peak_bytes=finished.peak_bytes,
        load_average=round(load, 2),
        mode=Mode(cycle["mode"]),
        rows_read=cycle["rows_read"],
        rows_changed=cycle["rows_changed"],
        days_rebuilt=cycle["days_rebuilt"],
        steps_ms=cycle["step_ms"],
    )


def etl(url: str, data_dir: Path, *command: str, settings: Mapping[str, str] | None = None) -> Run:
    """Run `python -m etl` with `command` on the database `url` and `data_dir`.

    Args:
        settings: further variables of its environment.

    Raises:
        AnalyticsError: the command failed.
    """
    environment = {
        "DATABASE_URL": url,
        "DATA_DIR": str(data_dir),
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "info",
        **(settings or {}),
    }
    return run([sys.executable, "-m", "etl", *command], environment)


def _canonical_line(log: str) -> dict[str, Any]:
    for line in log.splitlines():
        if line.startswith("{"):
            entry: dict[str, Any] = json.loads(line)
            if entry["event"] == "cycle":
                return entry
    raise AnalyticsError(
        "`python -m etl` logged no cycle", hint=f"It wrote: {log.strip()[-500:] or 'nothing'}"
    )
