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
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx

from api.auth import Role
from etl.sandbox.valkey import valkey_server
from olap.errors import AnalyticsError
from olap.layout import Layout
from olap.publish import current
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.bench.api_figures import (
    ApiTimes,
    CachedTime,
    CachedTimes,
    Switches,
    UncachedTimes,
    crowd_times,
    percentile,
)
from tests.bench.askers import WRK, Askers
from tests.bench.crowd import CLIENTS, SEED, crowd_of, dashboard
from tests.bench.lake_copy import lake_copy
from tests.bench.source import Say
from tests.bench.stopwatch import run

WINDOWS = (7, 30)
_CACHED_CLIENTS, _CACHED_DAYS = 16, 7
_UNCACHED_TIMES = 8
_STEP = timedelta(seconds=61)
_SWITCH_SECONDS = 300.0


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
