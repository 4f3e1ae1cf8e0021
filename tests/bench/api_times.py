"""How fast one worker of the API is: from memory, uncached, and during changes of generation.

All requests go over HTTP to `python -m api` in its own process, with a token, the log, the metrics
and the rate limits of production; the process has limits that no client of the bench reaches.

* A dashboard from memory is compared with a bare Litestar handler that returns the same bytes
  (`bare`) behind uvicorn as it comes. The two are measured alternately.
* One client requests uncached dashboards while Redis is unreachable. Each dashboard ends at a
  different instant, so that no result is used twice and no window consists of whole days.
* The same client requests pages (`page`): the answers of a whole page view in one batch, first
  uncached ones that end at different instants, then one of them again and again.
* 64 clients (`workload`) send requests during several publications, with a real Valkey. The bench
  publishes a copy of the lake. Each client sends its next request at once, so most responses come
  from memory, and a percentile of all responses hardly contains the computed ones. The goals
  therefore judge the responses to requests sent within a second of a change.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx

from api.auth import Role
from etl.sandbox.valkey import valkey_server
from olap.errors import AnalyticsError
from olap.generations import current
from olap.layout import Layout
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.bench.api_figures import (
    ApiTimes,
    CachedTime,
    CachedTimes,
    PageTimes,
    Switches,
    UncachedTimes,
    percentile,
    response_times,
)
from tests.bench.clients import WRK, Clients, Load
from tests.bench.lake_copy import lake_copy
from tests.bench.source import Say
from tests.bench.stopwatch import run
from tests.bench.workload import CLIENTS, PAGE, SEED, dashboard, page, workload_for

WINDOWS = (7, 30)
_CACHED_CLIENTS, _CACHED_DAYS = 16, 7
_PAGE_DAYS = 30
_UNCACHED_TIMES = 8
_STEP = timedelta(seconds=61)
_SWITCH_SECONDS = 300.0


def measure_api(
    lake: Path, home: Path, say: Say, *, rounds: int, times: int, switches: int, seconds: float
) -> ApiTimes:
    """Serve a lake and measure the three loads.

    Args:
        lake: a `DATA_DIR`; it is never changed.
        home: the directory for a copy of it, the logs and Valkey.
        rounds: how often the cached dashboard and the bare handler are loaded.
        times: an eighth of the number of uncached dashboards over each window.
        switches: how many generations are published under load.
        seconds: how long a load lasts, and the time between two publications.

    Raises:
        AnalyticsError: a response was not 200, or a process failed.
    """
    home.mkdir(parents=True, exist_ok=True)
    bearer = token(Role.ADMIN, "bench")
    data_dir = lake_copy(lake, home / "data")
    # An unmeasured publication, so that the copy is of the present version of the SQL.
    say(f"a copy of the lake was published in {_publish(data_dir):.1f} s")
    log = home / "api.log"
    log.unlink(missing_ok=True)
    with (
        valkey_server(home / "valkey") as redis_url,
        server(data_dir, log, **_environment(REDIS_URL=redis_url)) as api,
    ):
        cached = _cached(api, home, bearer, say, rounds=rounds, seconds=seconds)
        switched = _under_load(api, data_dir, bearer, say, switches=switches, seconds=seconds)
    with server(data_dir, log, **_environment()) as api:
        uncached = tuple(
            _uncached(api, data_dir, bearer, say, days=days, times=_UNCACHED_TIMES * times)
            for days in WINDOWS
        )
        pages = _pages(api, data_dir, bearer, say, times=_UNCACHED_TIMES * times)
    return ApiTimes(cached=cached, uncached=uncached, page=pages, switches=switched)


def _environment(**variables: str) -> dict[str, str]:
    """The settings of a worker: the defaults, except for the databases and the log level."""
    return {"DATABASE_URL": "", "EVENTS_DATABASE_URL": "", "LOG_LEVEL": "info", **variables}


def _cached(
    api: Server, home: Path, bearer: str, say: Say, *, rounds: int, seconds: float
) -> CachedTimes:
    path = dashboard(_CACHED_DAYS)
    found = httpx.get(api.url + path, headers={"Authorization": f"Bearer {bearer}"}, timeout=300)
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
            "some dashboards were not answered from memory, so the figure is not of cached ones",
            hint="Check that nothing else publishes into the bench's copy of the lake.",
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
    throughput = Clients(one.port, bearer, _CACHED_CLIENTS).throughput(path, seconds)
    after = _processor_seconds(one)
    taken = None if before is None or after is None else after - before
    return CachedTime(
        throughput=throughput,
        processor_us=None if taken is None else taken * 1e6 / throughput.requests,
    )


def _uncached(
    api: Server, data_dir: Path, bearer: str, say: Say, *, days: int, times: int
) -> UncachedTimes:
    paths = [dashboard(days, end) for end in _ends(data_dir, times)]
    load, processor_ms = _requested(api, bearer, paths)
    if any(response.is_hit for response in load.responses):
        raise AnalyticsError(
            "some dashboards came from a cache, so the figure is not of uncached ones",
            hint="Two of the instants at which the dashboards end have the same cache key.",
        )
    ms = tuple(response.ms for response in load.responses)
    say(
        f"uncached dashboard, {days} days, {times} times: p50 {percentile(ms, 50):.0f} ms, "
        f"p95 {percentile(ms, 95):.0f} ms"
    )
    return UncachedTimes(days=days, ms=ms, processor_ms=processor_ms)


def _pages(api: Server, data_dir: Path, bearer: str, say: Say, *, times: int) -> PageTimes:
    paths = [page(_PAGE_DAYS, end) for end in _ends(data_dir, times + 1)]
    _require_answers(api, bearer, paths.pop())
    uncached, uncached_processor_ms = _requested(api, bearer, paths)
    cached, cached_processor_ms = _requested(api, bearer, paths[-1:] * times)
    if any(r.is_hit for r in uncached.responses) or not all(r.is_hit for r in cached.responses):
        raise AnalyticsError(
            "pages came from a cache that should not, or did not that should",
            hint="Two of the instants at which the pages end have the same cache key.",
        )
    found = PageTimes(
        answers=len(PAGE),
        days=_PAGE_DAYS,
        uncached_ms=tuple(response.ms for response in uncached.responses),
        cached_ms=tuple(response.ms for response in cached.responses),
        uncached_processor_ms=uncached_processor_ms,
        cached_processor_ms=cached_processor_ms,
    )
    say(
        f"page of {found.answers} answers, {times} times: "
        f"uncached p95 {percentile(found.uncached_ms, 95):.0f} ms, "
        f"cached p95 {percentile(found.cached_ms, 95):.1f} ms"
    )
    return found


def _require_answers(api: Server, bearer: str, path: str) -> None:
    """Request a page and read its answers, because a refused answer is fast."""
    found = httpx.get(api.url + path, headers={"Authorization": f"Bearer {bearer}"}, timeout=300)
    answers = found.raise_for_status().json()["answers"]
    refused = {
        asked: answer
        for asked, answer in zip(PAGE, answers, strict=True)
        if answer["status"] != HTTPStatus.OK
    }
    if refused:
        raise AnalyticsError(
            f"some answers of a page failed: {refused}", hint="Correct the questions of the page."
        )


def _ends(data_dir: Path, times: int) -> list[str]:
    """Different ends of windows shortly before the end of the data."""
    manifest = current(Layout(data_dir))
    assert manifest is not None
    ends = (manifest.data_through - number * _STEP for number in range(1, times + 1))
    return [f"{end:%Y-%m-%dT%H:%M:%SZ}" for end in ends]


def _requested(api: Server, bearer: str, paths: Sequence[str]) -> tuple[Load, float | None]:
    """The responses to one client, and the server's processor time of each in milliseconds."""
    before = _processor_seconds(api)
    with Clients(api.port, bearer, count=1).requesting(paths) as load:
        pass
    after = _processor_seconds(api)
    taken = None if before is None or after is None else after - before
    return load, None if taken is None else taken * 1000 / len(paths)


def _under_load(
    api: Server, data_dir: Path, bearer: str, say: Say, *, switches: int, seconds: float
) -> Switches:
    workload = workload_for(api.url, bearer)
    publish_seconds: list[float] = []
    clients = Clients(api.port, bearer, CLIENTS)
    # Each path once, unmeasured: the load is to show a change of generation, not a cold start.
    with Clients(api.port, bearer, count=1).requesting(workload.paths):
        pass
    good = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
    with clients.requesting(workload.paths, weights=workload.weights, seed=SEED, good=good) as load:
        time.sleep(seconds)
        for number in range(1, switches + 1):
            publish_seconds.append(_publish(data_dir))
            _wait_until_served(api, data_dir)
            say(f"generation {number} of {switches} was published in {publish_seconds[-1]:.1f} s")
            time.sleep(seconds)
    found = tuple(response_times(workload, load.responses))
    for some in found:
        if some.is_around_switch:
            keys = "warmed keys" if some.is_warmed else "other keys"
            say(f"around a switch, {keys}: p99 {some.p99_ms:.0f} ms of {some.responses:,}")
    return Switches(
        clients=CLIENTS,
        keys=len(workload.paths),
        switches=len({response.generation for response in load.responses} - {0}) - 1,
        publish_seconds=tuple(publish_seconds),
        per_second=len(load.responses) / load.seconds,
        generator_share=load.processor_seconds / load.seconds,
        times=found,
        peak_bytes=_peak_bytes(api),
    )


def _publish(data_dir: Path) -> float:
    """Publish the copy again and return the seconds of the process."""
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
        ready = httpx.get(f"{api.url}/health/ready", timeout=300).json()
        if ready["generation"] == manifest.generation:
            return
        if time.monotonic() > deadline:
            raise AnalyticsError(
                f"generation {manifest.generation} is not served: {ready['refused']}",
                hint=f"See {api.log}.",
            )
        time.sleep(0.2)


def _peak_bytes(api: Server) -> int | None:
    """The peak resident memory of the process (Linux only)."""
    try:
        status = Path(f"/proc/{api.process.pid}/status").read_text()
    except OSError:
        return None
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _processor_seconds(one: Server) -> float | None:
    """The processor time of the process (Linux only)."""
    try:
        stat = Path(f"/proc/{one.process.pid}/stat").read_text()
    except OSError:
        return None
    # Fields 14 and 15; the second field, the name in brackets, may contain any character.
    ticks = stat.rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
