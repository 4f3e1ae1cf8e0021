"""A first load, from nothing to a published generation, beside COPY and dlt.

The unit of comparison is all rows of the six tables a second: a load cannot be taken apart into
"the messages" and the rest once days, rollups and the copy are in it. Because goals are often
read as "five million messages", the same is measured on a messenger that has no receipts and no
events, where nearly all rows are messages.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from olap.errors import AnalyticsError
from olap.layout import Layout
from tests.bench.dlt_peer import DltLoad, DltPeer
from tests.bench.etl_run import EtlRun, etl_run
from tests.bench.server_copy import ServerCopy, server_copy
from tests.bench.source import Say


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Bytes on disk after a first load; `messages` of them belong to it."""

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
        disk: what the last of ours left.
    """

    name: str
    rows: dict[str, int]
    ours: tuple[EtlRun, ...]
    copies: tuple[ServerCopy, ...]
    dlt: tuple[DltLoad, ...]
    disk: Disk

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())

    @property
    def seconds(self) -> float:
        """Ours, the median of the rounds; the next two likewise."""
        return median(load.seconds for load in self.ours)

    @property
    def copy_seconds(self) -> float:
        return median(copy.seconds for copy in self.copies)

    @property
    def dlt_seconds(self) -> float | None:
        return median(load.seconds for load in self.dlt) if self.dlt else None

    @property
    def speed_beside_copy(self) -> float:
        """Our rows a second, as a share of the server's own."""
        return self.copy_seconds / self.seconds

    @property
    def speed_beside_dlt(self) -> float | None:
        """How many times as many rows a second as dlt."""
        return self.dlt_seconds / self.seconds if self.dlt_seconds else None

    @property
    def peak_bytes(self) -> int:
        """The most memory that any round of ours held."""
        return max(load.peak_bytes for load in self.ours)


def measure_loads(
    name: str, url: str, data_dir: Path, *, rounds: int, peer: DltPeer | None, say: Say
) -> Loads:
    """Load the messenger at `url` again and again; the last load stays in `data_dir`.

    Args:
        rounds: how often COPY and ours run, in turns; dlt runs once, after the first of them.
        peer: dlt, or None to leave it out.

    Raises:
        AnalyticsError: a load failed, or two readers did not find the same rows.
    """
    say(f"{name}: first loads")
    rows = server_copy(url).rows  # not counted: it brings the pages into memory for all that follow
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
        if peer is not None and not dlt:
            dlt.append(peer.load(url))
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
