"""The records of the API's speed, and the percentiles of single responses.

`api_times` measures and makes these records; `report` and `goals` read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from statistics import median

from tests.bench.clients import Response, Throughput
from tests.bench.workload import Workload

_AROUND_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTime:
    """One round on one server.

    Attributes:
        processor_us: of the server, for each response; None where the system does not report it.
    """

    throughput: Throughput
    processor_us: float | None

    @property
    def per_second(self) -> float:
        """Responses per second."""
        return self.throughput.requests / self.throughput.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTimes:
    """A dashboard from memory, and the same bytes from a bare handler; one entry per round."""

    generator: str
    clients: int
    body_bytes: int
    ours: tuple[CachedTime, ...]
    bare: tuple[CachedTime, ...]

    @property
    def beside_bare(self) -> float:
        """The API's responses per second as a share of the bare handler's, by medians."""
        return per_second(self.ours) / per_second(self.bare)

    @property
    def beside_bare_by_processor(self) -> float | None:
        """The same by processor time per response, which other programs disturb less."""
        ours, bare = processor_us(self.ours), processor_us(self.bare)
        return None if ours is None or bare is None else bare / ours


@dataclass(frozen=True, slots=True, kw_only=True)
class UncachedTimes:
    """Dashboards that no cache holds.

    Attributes:
        ms: the time of each, in order.
        processor_ms: processor time of the server for each; None where the system does not report
            it.
    """

    days: int
    ms: tuple[float, ...]
    processor_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTimes:
    """Page views: many answers in one batch.

    Attributes:
        answers: in one batch.
        uncached_ms: of pages of which no cache holds an answer, in order.
        cached_ms: of the same page again and again.
        uncached_processor_ms, cached_processor_ms: processor time of the server for each; None
            where the system does not report it.
    """

    answers: int
    days: int
    uncached_ms: tuple[float, ...]
    cached_ms: tuple[float, ...]
    uncached_processor_ms: float | None
    cached_processor_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTimes:
    """A group of responses under load.

    Attributes:
        is_warmed: whether the group has the paths that the API computes before a generation
            answers, or all others.
        is_around_switch: whether the group has only requests within a second of a change.
        hits: how many came from a cache; the others waited for a computation.
        refused: how many were 503 because they took too long; the times include them.
    """

    is_warmed: bool
    is_around_switch: bool
    responses: int
    hits: int
    refused: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The load of many clients during changes of generation.

    Attributes:
        switches: how many new generations answered.
        publish_seconds: of each `python -m etl publish`.
        per_second: responses per second.
        peak_bytes: peak memory of the worker; None where the system does not report it.
    """

    clients: int
    keys: int
    switches: int
    publish_seconds: tuple[float, ...]
    per_second: float
    generator_share: float
    times: tuple[ResponseTimes, ...]
    peak_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTimes:
    """The results of the part `api`."""

    cached: CachedTimes
    uncached: tuple[UncachedTimes, ...]
    page: PageTimes
    switches: Switches


def per_second(times: Sequence[CachedTime]) -> float:
    """The median of some rounds."""
    return median(time.per_second for time in times)


def processor_us(times: Sequence[CachedTime]) -> float | None:
    """The median of some rounds; None where the system does not report it."""
    taken = [time.processor_us for time in times if time.processor_us is not None]
    return median(taken) if taken else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` percent of the values do not exceed."""
    return sorted(values)[ceil(len(values) * percent / 100) - 1]


def response_times(workload: Workload, responses: Sequence[Response]) -> list[ResponseTimes]:
    """The responses in four groups, without empty groups."""
    arrived: dict[int, float] = {}
    for response in responses:
        at = response.begun + response.ms / 1000
        if response.generation:
            arrived[response.generation] = min(at, arrived.get(response.generation, at))
    changes = sorted(arrived.values())[1:]  # the first generation is not a change

    def is_near(response: Response) -> bool:
        return any(abs(response.begun - change) <= _AROUND_SECONDS for change in changes)

    found: list[ResponseTimes] = []
    for is_around_switch in (False, True):
        near = [r for r in responses if is_near(r)] if is_around_switch else responses
        for is_warmed in (True, False):
            some = [r for r in near if workload.is_warmed(r.path) == is_warmed]
            if not some:
                continue
            ms = [response.ms for response in some]
            found.append(
                ResponseTimes(
                    is_warmed=is_warmed,
                    is_around_switch=is_around_switch,
                    responses=len(some),
                    hits=sum(response.is_hit for response in some),
                    refused=sum(response.status != HTTPStatus.OK for response in some),
                    p50_ms=percentile(ms, 50),
                    p99_ms=percentile(ms, 99),
                    worst_ms=max(ms),
                )
            )
    return found
