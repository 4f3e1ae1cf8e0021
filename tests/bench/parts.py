"""The parts of the bench: each is measured by itself, at one size, and repeated by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tests.bench.api_figures import ApiTimes
from tests.bench.etl_run import EtlRun
from tests.bench.loads import Loads
from tests.bench.machine import Machine
from tests.bench.metric_times import MetricTimes
from tests.bench.peer_times import PeerTime
from tests.bench.proofs import Proofs


class PartName(StrEnum):
    """What can be asked for with `--only`."""

    LOADS = "loads"
    BACKFILL = "backfill"
    CYCLES = "cycles"
    VERIFY = "verify"
    METRICS = "metrics"
    PEERS = "peers"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one part found at one size; only the field of its own name is filled.

    Attributes:
        shape: what the messenger is like, in words.
        machine: as it was when the part began.
    """

    name: PartName
    messages: int
    shape: str
    measured_at: datetime
    machine: Machine
    loads: tuple[Loads, ...] = ()
    backfills: tuple[EtlRun, ...] = ()
    cycles: tuple[EtlRun, ...] = ()
    proofs: Proofs | None = None
    metrics: MetricTimes | None = None
    peers: tuple[PeerTime, ...] = ()
    api: ApiTimes | None = None
