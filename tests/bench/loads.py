"""A first load, from nothing to a published generation, compared with COPY and dlt.

The unit of comparison is all rows of the six tables per second: once days, rollups and the copy are
part of it, the time of a load cannot be divided among the tables. Because goals are often
understood as "five million messages", the bench also measures a messenger without receipts and
events, where nearly all rows are messages.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from olap.errors import AnalyticsError
from olap.layout import Layout
from tests.bench.dlt_peer import DltLoad, dlt_load
from tests.bench.etl_run import EtlRun, etl_run
from tests.bench.peers import Peers
from tests.bench.server_copy import ServerCopy, server_copy
from tests.bench.source import Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes on disk after a first load of `messages` messages."""

    messages: int
    lake_bytes: int
    warehouse_bytes: int
    generation_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """Every first load of one messenger.

    Attributes:
        name: which messenger.
        rows: by table; the same for all readers.
        ours, copies, dlt: one entry per round, in order; `dlt` is empty without peers.
        disk: what the last load of the ETL left.
    """

    name: str
    rows: dict[str, int]
    ours: tuple[EtlRun, ...]
    copies: tuple[ServerCopy, ...]
    dlt: tuple[DltLoad, ...]
    disk: Disk

    @property
    def total_rows(self) -> int:
        """The rows of all tables."""
        return sum(self.rows.values())

    @property
    def seconds(self) -> float:
        """The time of the ETL, the median of the rounds."""
        return median(load.seconds for load in self.ours)

    @property
    def copy_seconds(self) -> float:
        """The time of COPY, the median of the rounds."""
        return median(copy.seconds for copy in self.copies)

    @property
    def dlt_seconds(self) -> float | None:
        """The time of dlt, the median of the rounds; None without peers."""
        return median(load.seconds for load in self.dlt) if self.dlt else None

    @property
    def speed_beside_copy(self) -> float:
        """The ETL's rows per second, as a share of COPY's."""
        return self.copy_seconds / self.seconds

    @property
    def speed_beside_dlt(self) -> float | None:
        """The ETL's rows per second, as a multiple of dlt's."""
        return self.dlt_seconds / self.seconds if self.dlt_seconds else None

    @property
    def speed_beside_two_cores(self) -> float:
        """The speed as a share of what the two cores allow, the median of the rounds."""
        return median(load.beside_two_cores for load in self.ours)

    @property
    def peak_bytes(self) -> int:
        """The most memory that any round of the ETL held."""
        return max(load.peak_bytes for load in self.ours)


def measure_loads(
    name: str, url: str, data_dir: Path, *, rounds: int, peers: Peers | None, say: Say
) -> Loads:
    """Load the messenger at `url` `rounds` times; the last load stays in `data_dir`.

    Args:
        rounds: how often COPY and the ETL run, alternately; dlt runs once, after the first round.
        peers: the environment that has dlt, or None to leave dlt out.

    Raises:
        AnalyticsError: a load failed, or two readers did not find the same rows.
    """
    say(f"{name}: first loads")
    rows = server_copy(url).rows  # not measured: it reads the pages into memory for all that follow
    ours: list[EtlRun] = []
    copies: list[ServerCopy] = []
    dlt: list[DltLoad] = []
    for number in range(1, rounds + 1):
        copies.append(server_copy(url))
        say(f"{name}: COPY {number} of {rounds}: {copies[-1].seconds:.1f} s")
        shutil.rmtree(data_dir, ignore_errors=True)
        ours.append(etl_run(url, data_dir))
        say(f"{name}: load {number} of {rounds}: {ours[-1].seconds:.1f} s")
        _require_same_rows("the ETL", ours[-1].rows_read, rows)
        if peers is not None and not dlt:
            dlt.append(dlt_load(url, data_dir.parent, peers))
            say(f"{name}: dlt: {dlt[-1].seconds:.1f} s")
            _require_same_rows("dlt", dlt[-1].rows, rows)
    return Loads(
        name=name,
        rows=rows,
        ours=tuple(ours),
        copies=tuple(copies),
        dlt=tuple(dlt),
        disk=_disk(Layout(data_dir), rows["messages"]),
    )


def _require_same_rows(reader: str, found: dict[str, int], expected: dict[str, int]) -> None:
    if found != expected:
        raise AnalyticsError(
            f"{reader} read {found}, the server's COPY {expected}",
            hint="A comparison needs equal rows; check that nothing writes to the bench's server.",
        )


def _disk(layout: Layout, messages: int) -> Disk:
    return Disk(
        messages=messages,
        lake_bytes=sum(path.stat().st_size for path in layout.lake.rglob("*.parquet")),
        warehouse_bytes=layout.warehouse.stat().st_size,
        generation_bytes=layout.pointer.stat().st_size,
    )
