"""The parts of the bench: each is measured on its own, at one size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tests.bench.api_figures import ApiTimes
from tests.bench.delta_commits import DeltaCommits
from tests.bench.engine_times import EngineFigures
from tests.bench.etl_run import EtlRun
from tests.bench.hostile import HostileCase
from tests.bench.live_times import LiveTimes
from tests.bench.loads import Loads
from tests.bench.machine import Machine
from tests.bench.metric_times import MetricTimes
from tests.bench.page_views import PageViews
from tests.bench.peer_times import PeerTime
from tests.bench.proofs import Proofs
from tests.bench.soak import Soak
from tests.bench.source_costs import SourceCost


class PartName(StrEnum):
    """The values of `--only`."""

    LOADS = "loads"
    BACKFILL = "backfill"
    CYCLES = "cycles"
    SOURCE = "source"
    VERIFY = "verify"
    METRICS = "metrics"
    PEERS = "peers"
    API = "api"
    HOSTILE = "hostile"
    SOAK = "soak"
    LIVE = "live"
    PAGE = "page"
    ENGINE = "engine"
    DELTA = "delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The results of one part at one size; only the fields of that part are filled.

    Attributes:
        shape: the messenger, in words.
        machine: as it was when the part began.
        missing_peer: the peer that the part was measured without; None when there was none.
    """

    name: PartName
    messages: int
    shape: str
    measured_at: datetime
    machine: Machine
    missing_peer: str | None = None
    loads: tuple[Loads, ...] = ()
    backfills: tuple[EtlRun, ...] = ()
    cycles: tuple[EtlRun, ...] = ()
    source_costs: tuple[SourceCost, ...] = ()
    proofs: Proofs | None = None
    metrics: MetricTimes | None = None
    peers: tuple[PeerTime, ...] = ()
    api: ApiTimes | None = None
    hostile: tuple[HostileCase, ...] = ()
    soak: Soak | None = None
    live: LiveTimes | None = None
    page: PageViews | None = None
    engine: EngineFigures | None = None
    delta: DeltaCommits | None = None
