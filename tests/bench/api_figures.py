"""What was found of the API's speed, as records; and how single answers become percentiles.

Nothing here asks anybody: `api_times` measures; `report` and `goals` read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from statistics import median

from tests.bench.askers import Answer, Throughput
from tests.bench.crowd import Crowd

_AROUND_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTime:
    """One round on one server.

    Attributes:
        processor_us: of the server, for each answer; None where the system does not tell.
    """

    throughput: Throughput
    processor_us: float | None

    @property
    def per_second(self) -> float:
        """Answers a second."""
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
        """Our answers a second as a share of the bare handler's, by medians."""
        return per_second(self.ours) / per_second(self.bare)

    @property
    def beside_bare_by_processor(self) -> float | None:
        """The same by what each answer took of a processor, which others' work disturbs less."""
        ours, bare = processor_us(self.ours), processor_us(self.bare)
        return None if ours is None or bare is None else bare / ours


@dataclass(frozen=True, slots=True, kw_only=True)
class UncachedTimes:
    """Dashboards that nobody had asked before.

    Attributes:
        ms: until each was there, in the order they were asked.
        processor_ms: of the server for each, of all processors together; None where the system
            does not tell.
    """

    days: int
    ms: tuple[float, ...]
    processor_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdTimes:
    """Of some of the crowd's answers.

    Attributes:
        is_warmed: those the API computes before a generation answers, or all others.
        is_around_switch: those asked in the second before and after a change alone.
        hits: how many came from a cache; the others waited for a computation.
        refused: how many were told 503 because it took too long; their times are among the others.
    """

    is_warmed: bool
    is_around_switch: bool
    answers: int
    hits: int
    refused: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The crowd's time.

    Attributes:
        switches: how many new generations it was answered from.
        publish_seconds: of each `python -m etl publish`.
        per_second: answers, over all.
        peak_bytes: the most memory that the worker has held since it began; None where the system
            does not tell.
    """

    clients: int
    keys: int
    switches: int
    publish_seconds: tuple[float, ...]
    per_second: float
    generator_share: float
    times: tuple[CrowdTimes, ...]
    peak_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTimes:
    """Everything."""

    cached: CachedTimes
    uncached: tuple[UncachedTimes, ...]
    crowd: Switches


def per_second(times: Sequence[CachedTime]) -> float:
    """The median of some rounds."""
    return median(time.per_second for time in times)


def processor_us(times: Sequence[CachedTime]) -> float | None:
    """The median of some rounds; None where the system does not tell."""
    taken = [time.processor_us for time in times if time.processor_us is not None]
    return median(taken) if taken else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed."""
    return sorted(values)[ceil(len(values) * percent / 100) - 1]


def crowd_times(crowd: Crowd, answers: Sequence[Answer]) -> list[CrowdTimes]:
    """The answers in four groups; one that is empty is left out."""
    arrived: dict[int, float] = {}
    for answer in answers:
        at = answer.begun + answer.ms / 1000
        if answer.generation:
            arrived[answer.generation] = min(at, arrived.get(answer.generation, at))
    changes = sorted(arrived.values())[1:]  # the first generation was there from the beginning

    def is_near(answer: Answer) -> bool:
        return any(abs(answer.begun - change) <= _AROUND_SECONDS for change in changes)

    found: list[CrowdTimes] = []
    for is_around_switch in (False, True):
        near = [answer for answer in answers if is_near(answer)] if is_around_switch else answers
        for is_warmed in (True, False):
            some = [answer for answer in near if crowd.is_warmed(answer.path) == is_warmed]
            if not some:
                continue
            ms = [answer.ms for answer in some]
            found.append(
                CrowdTimes(
                    is_warmed=is_warmed,
                    is_around_switch=is_around_switch,
                    answers=len(some),
                    hits=sum(answer.is_hit for answer in some),
                    refused=sum(answer.status != HTTPStatus.OK for answer in some),
                    p50_ms=percentile(ms, 50),
                    p99_ms=percentile(ms, 99),
                    worst_ms=max(ms),
                )
            )
    return found
