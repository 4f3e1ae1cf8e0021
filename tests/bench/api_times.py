"""How fast one worker of the API is: from memory, uncached, and through changes of generation.

Everything is asked over HTTP of `python -m api` in a process of its own, with a token, its log,
its numbers and its rate limits on; only the limits are raised, so that nobody is told to wait.

* A dashboard from memory stands beside a bare Litestar handler that returns the same bytes (`bare`)
  behind the same server. The two are asked in turns.
* An uncached dashboard is asked by one client while no Redis can be reached. Each ends at another
  instant, so that no answer is used twice and no day is read whole from the rollups at both ends.
* A crowd (`crowd`) asks through several publications, with a real Valkey. What is published is a
  copy of the lake. Each client asks again at once, so most answers come from memory and the ones
  that had to be computed hardly count in a percentile of all: the percentiles of those that were
  asked in the second before and after a change stand beside it, and are what is judged.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from math import ceil
from pathlib import Path
from statistics import median

import httpx

from api.identity import Role
from etl.sandbox.valkey import valkey_server
from olap.errors import AnalyticsError
from olap.layout import Layout
from olap.publish import current
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.bench.askers import WRK, Answer, Askers, Throughput
from tests.bench.crowd import CLIENTS, SEED, Crowd, crowd_of, dashboard
from tests.bench.lake_copy import lake_copy
from tests.bench.source import Say
from tests.bench.stopwatch import run

WINDOWS = (7, 30)
_CACHED_CLIENTS, _CACHED_DAYS = 16, 7
_UNCACHED_TIMES = 8
_STEP = timedelta(seconds=61)
_AROUND_SECONDS = 1.0
_SWITCH_SECONDS = 300.0


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


def measure_api(
    lake: Path, home: Path, say: Say, *, rounds: int, times: int, switches: int, seconds: float
) -> ApiTimes:
    """Serve a lake and ask.

    Args:
        lake: a `DATA_DIR`; it is read and never changed.
        home: a copy of it, logs and Valkey lie below.
        rounds: how often the cached dashboard and the bare handler are loaded.
        times: eight times as many uncached dashboards are asked over each window.
        switches: how many generations are published under the crowd's load.
        seconds: how long a load lasts, and how long the crowd asks between two publications.

    Raises:
        AnalyticsError: an answer was not 200, or what is measured failed.
    """
    home.mkdir(parents=True, exist_ok=True)
    bearer = token(Role.ADMIN, "bench")
    data_dir = lake_copy(lake, home / "data")
    # Once before anything is measured: whoever made the lake, it is now of this version.
    say(f"a copy of the lake was published in {_publish(data_dir):.1f} s")
    log = home / "api.log"
    log.unlink(missing_ok=True)
    with (
        valkey_server(home / "valkey") as redis_url,
        server(data_dir, log, **_environment(REDIS_URL=redis_url)) as api,
    ):
        cached = _cached(api, home, bearer, say, rounds=rounds, seconds=seconds)
        crowd = _crowd(api, data_dir, bearer, say, switches=switches, seconds=seconds)
    with server(data_dir, log, **_environment()) as api:
        uncached = tuple(
            _uncached(api, data_dir, bearer, say, days=days, times=_UNCACHED_TIMES * times)
            for days in WINDOWS
        )
    return ApiTimes(cached=cached, uncached=uncached, crowd=crowd)


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


def _environment(**variables: str) -> dict[str, str]:
    """What is not said here is as a user would have it, but for limits that nobody reaches."""
    return {"DATABASE_URL": "", "EVENTS_DATABASE_URL": "", "LOG_LEVEL": "info", **variables}


def _cached(
    api: Server, home: Path, bearer: str, say: Say, *, rounds: int, seconds: float
) -> CachedTimes:
    path = dashboard(_CACHED_DAYS)
    found = httpx.get(api.url + path, headers={"Authorization": f"Bearer {bearer}"}, timeout=60)
    body = found.raise_for_status().content
    file = home / "dashboard.json"
    file.write_bytes(body)
    ours: list[CachedTime] = []
    bare: list[CachedTime] = []
    with server(
        home, home / "bare.log", program="tests.bench.bare", BARE_BODY=str(file)
    ) as reference:
        for one in (api, reference):
            _cached_time(one, bearer, path, min(1.0, seconds))  # not counted
        for number in range(1, rounds + 1):
            ours.append(_cached_time(api, bearer, path, seconds))
            bare.append(_cached_time(reference, bearer, path, seconds))
            say(
                f"cached dashboard, {number} of {rounds}: {ours[-1].per_second:,.0f} a second, "
                f"bare handler {bare[-1].per_second:,.0f}"
            )
    if any(time.throughput.hits not in (None, time.throughput.requests) for time in ours):
        raise AnalyticsError(
            "some dashboards were not answered from memory, so this is no figure of cached ones",
            hint="Is something else publishing into the bench's own copy?",
        )
    return CachedTimes(
        generator="Python" if WRK is None else "wrk",
        clients=_CACHED_CLIENTS,
        body_bytes=len(body),
        ours=tuple(ours),
        bare=tuple(bare),
    )


def _cached_time(one: Server, bearer: str, path: str, seconds: float) -> CachedTime:
    before = _processor_seconds(one)
    throughput = Askers(one.port, bearer, _CACHED_CLIENTS).throughput(path, seconds)
    after = _processor_seconds(one)
    taken = None if before is None or after is None else after - before
    return CachedTime(
        throughput=throughput,
        processor_us=None if taken is None else taken * 1e6 / throughput.requests,
    )


def _uncached(
    api: Server, data_dir: Path, bearer: str, say: Say, *, days: int, times: int
) -> UncachedTimes:
    manifest = current(Layout(data_dir))
    assert manifest is not None
    ends = (manifest.data_through - number * _STEP for number in range(1, times + 1))
    paths = [dashboard(days, f"{end:%Y-%m-%dT%H:%M:%SZ}") for end in ends]
    before = _processor_seconds(api)
    with Askers(api.port, bearer, clients=1).asking(paths) as load:
        pass
    after = _processor_seconds(api)
    if any(answer.is_hit for answer in load.answers):
        raise AnalyticsError(
            "some dashboards had been asked before, so this is no figure of uncached ones",
            hint="Two of the instants at which they end have the same key.",
        )
    ms = tuple(answer.ms for answer in load.answers)
    say(
        f"uncached dashboard, {days} days, {times} times: p50 {percentile(ms, 50):.0f} ms, "
        f"p95 {percentile(ms, 95):.0f} ms"
    )
    taken = None if before is None or after is None else after - before
    return UncachedTimes(
        days=days, ms=ms, processor_ms=None if taken is None else taken * 1000 / times
    )


def _crowd(
    api: Server, data_dir: Path, bearer: str, say: Say, *, switches: int, seconds: float
) -> Switches:
    crowd = crowd_of(api.url, bearer)
    publish_seconds: list[float] = []
    askers = Askers(api.port, bearer, CLIENTS)
    # It has been there for a while: what is measured is a change of generation, not a cold start.
    with Askers(api.port, bearer, clients=1).asking(crowd.paths):
        pass
    good = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
    with askers.asking(crowd.paths, weights=crowd.weights, seed=SEED, good=good) as load:
        time.sleep(seconds)
        for number in range(1, switches + 1):
            publish_seconds.append(_publish(data_dir))
            _wait_until_served(api, data_dir)
            say(f"generation {number} of {switches} was published in {publish_seconds[-1]:.1f} s")
            time.sleep(seconds)
    found = tuple(crowd_times(crowd, load.answers))
    for some in found:
        if some.is_around_switch:
            who = "warmed" if some.is_warmed else "others"
            say(f"crowd around a switch, {who}: p99 {some.p99_ms:.0f} ms of {some.answers:,}")
    return Switches(
        clients=CLIENTS,
        keys=len(crowd.paths),
        switches=len({answer.generation for answer in load.answers} - {0}) - 1,
        publish_seconds=tuple(publish_seconds),
        per_second=len(load.answers) / load.seconds,
        generator_share=load.processor_seconds / load.seconds,
        times=found,
        peak_bytes=_peak_bytes(api),
    )


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


def _publish(data_dir: Path) -> float:
    """Publish the copy again; the seconds of the process."""
    environment = {
        "DATA_DIR": str(data_dir),
        "KEEP_GENERATIONS": "2",
        "GRACE_SECONDS": "0",
        "LOG_LEVEL": "warning",
    }
    return run([sys.executable, "-m", "etl", "publish"], environment).seconds


def _wait_until_served(api: Server, data_dir: Path) -> None:
    manifest = current(Layout(data_dir))
    assert manifest is not None
    deadline = time.monotonic() + _SWITCH_SECONDS
    while True:
        ready = httpx.get(f"{api.url}/health/ready", timeout=60).json()
        if ready["generation"] == manifest.generation:
            return
        if time.monotonic() > deadline:
            raise AnalyticsError(
                f"generation {manifest.generation} is not served: {ready['refused']}",
                hint=f"Look into {api.log}.",
            )
        time.sleep(0.2)


def _peak_bytes(api: Server) -> int | None:
    """The most resident memory that the process has held since it began (Linux only)."""
    try:
        status = Path(f"/proc/{api.process.pid}/status").read_text()
    except OSError:
        return None
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _processor_seconds(one: Server) -> float | None:
    """The time of a processor that the process has taken (Linux only)."""
    try:
        stat = Path(f"/proc/{one.process.pid}/stat").read_text()
    except OSError:
        return None
    # The name, in brackets, is the second field and may hold anything; these are the 14th and 15th.
    ticks = stat.rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
