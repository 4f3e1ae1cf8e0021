"""The machine on which figures were measured; without it they mean nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from olap.settings import Settings

_PACKAGES = ("duckdb", "polars", "pyarrow", "adbc-driver-postgresql", "psycopg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine, the versions, and the settings that affect speed.

    Attributes:
        cores: processors this process may use.
        memory_bytes: of the machine.
        load_average: runnable processes in the minute before the part: the load of other programs.
    """

    system: str
    processor: str
    cores: int
    memory_bytes: int
    load_average: float
    python: str
    postgresql: str
    packages: dict[str, str]
    duckdb_memory_limit: str
    duckdb_threads: int


def describe_machine(postgresql: str) -> Machine:
    """Describe this machine as it is now, with the version of PostgreSQL."""
    settings = Settings.from_env(os.environ)
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _all_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        load_average=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        postgresql=postgresql,
        packages={name: version(name) for name in _PACKAGES},
        duckdb_memory_limit=settings.memory_limit,
        duckdb_threads=settings.threads,
    )


def _all_cores() -> int:
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open() as lines:
            names = [
                line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
            ]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
