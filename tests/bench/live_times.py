"""What 500 open streams cost one worker, and how soon they hear of a generation.

Another process holds the streams, of subjects with six each, and notes when each hears of the
next generation. The time is counted from the moment at which the pointer was moved. The rate of a
cached dashboard is measured in turn without and with the streams.
"""

from __future__ import annotations

import multiprocessing
import os
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from api.app import PREFIX
from api.auth import Role
from api.live.hub import STREAMS_OF_ACCOUNT_MAX
from api.server import raise_file_limit
from olap.errors import AnalyticsError
from olap.generations import current
from olap.layout import Layout
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.bench.clients import Clients
from tests.bench.lake_copy import lake_copy
from tests.bench.soak import publish_again
from tests.bench.source import Say
from tests.bench.workload import dashboard

STREAMS = 500
_CLIENTS, _DAYS = 16, 7
_TOLD_SECONDS = 120.0
_OPENED = b"event: generation"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTimes:
    """The figures of one worker.

    Attributes:
        streams: how many were open.
        idle_share, idle_share_without: of a core, while nothing happens, with and without them.
        per_second, per_second_without: cached dashboards, a round each.
        processor_us, processor_us_without: what one of them takes of the worker's processor, which
            depends less on what else the machine does.
        told_ms: from the pointer to each client, of each change of generation.
        stop_seconds: from SIGTERM to the end of the process, with all streams open.
    """

    streams: int
    idle_share: float
    idle_share_without: float
    per_second: tuple[float, ...]
    per_second_without: tuple[float, ...]
    processor_us: tuple[float, ...]
    processor_us_without: tuple[float, ...]
    told_ms: tuple[tuple[float, ...], ...]
    stop_seconds: float

    @property
    def rate_beside(self) -> float:
        """The rate with the streams, as a share of the rate without."""
        return median(self.per_second) / median(self.per_second_without)

    @property
    def processor_beside(self) -> float:
        """What a dashboard takes with the streams, as a multiple of what it takes without."""
        return median(self.processor_us) / median(self.processor_us_without)


def measure_live(
    lake: Path, home: Path, say: Say, *, rounds: int, changes: int, seconds: float
) -> LiveTimes:
    """Hold the streams, and measure what they cost.

    Args:
        lake: a `DATA_DIR`; it is never changed.
        home: the directory for a copy of it, and the log.
        rounds: how often the cached dashboard is loaded, with and without the streams.
        changes: how many generations are published while they are open.
        seconds: how long a load and a rest last.

    Raises:
        AnalyticsError: a stream does not open, or is not told.
    """
    home.mkdir(parents=True, exist_ok=True)
    data_dir = lake_copy(lake, home / "data")
    log = home / "api.log"
    log.unlink(missing_ok=True)
    environment = {"DATABASE_URL": "", "EVENTS_DATABASE_URL": "", "LOG_LEVEL": "info"}
    with server(data_dir, log, **environment) as api:
        load = Clients(api.port, token(Role.ADMIN, "bench"), _CLIENTS)
        rates: dict[bool, list[_Rate]] = {True: [], False: []}
        for number in range(1, rounds + 1):
            rates[False].append(_rate(api, load, seconds))
            with _held(api):
                rates[True].append(_rate(api, load, seconds))
            say(
                f"cached dashboard, {number} of {rounds}: {rates[False][-1]}, "
                f"beside {STREAMS} streams {rates[True][-1]}"
            )
        without = _idle_share(api, seconds)
        with _held(api) as holder:
            idle = _idle_share(api, seconds)
            say(f"idle: {without:.2%} of a core, with {STREAMS} streams {idle:.2%}")
            told = tuple(_told(data_dir, holder, say) for _ in range(changes))
            begun = time.monotonic()
            api.stop()
            stopped = time.monotonic() - begun
            say(f"stopped in {stopped:.1f} s")
    return LiveTimes(
        streams=STREAMS,
        idle_share=idle,
        idle_share_without=without,
        per_second=tuple(rate.per_second for rate in rates[True]),
        per_second_without=tuple(rate.per_second for rate in rates[False]),
        processor_us=tuple(rate.processor_us for rate in rates[True]),
        processor_us_without=tuple(rate.processor_us for rate in rates[False]),
        told_ms=told,
        stop_seconds=stopped,
    )


@dataclass(frozen=True, slots=True)
class _Rate:
    per_second: float
    processor_us: float

    def __str__(self) -> str:
        return f"{self.per_second:,.0f} a second, {self.processor_us:,.0f} µs each"


def _rate(api: Server, load: Clients, seconds: float) -> _Rate:
    load.throughput(dashboard(_DAYS), 1.0)  # not counted: what was opened or closed is settled
    before = _processor_seconds(api)
    found = load.throughput(dashboard(_DAYS), seconds)
    taken = _processor_seconds(api) - before
    return _Rate(found.requests / found.seconds, taken * 1e6 / found.requests)


def _idle_share(api: Server, seconds: float) -> float:
    """The share of a core that the process takes while nobody asks (Linux only)."""
    before = _processor_seconds(api)
    begun = time.monotonic()
    time.sleep(2 * seconds)
    return (_processor_seconds(api) - before) / (time.monotonic() - begun)


def _processor_seconds(api: Server) -> float:
    stat = Path(f"/proc/{api.process.pid}/stat").read_text()
    # Fields 14 and 15; the second field, the name in brackets, may contain any character.
    ticks = stat.rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _told(data_dir: Path, holder: Connection, say: Say) -> tuple[float, ...]:
    """Publish a generation; the milliseconds from the pointer to each client."""
    layout = Layout(data_dir)
    manifest = current(layout)
    assert manifest is not None
    holder.send(manifest.generation + 1)
    publish_again(layout, manifest, manifest.generation + 1)
    instants = holder.recv()
    if isinstance(instants, str):
        raise AnalyticsError(instants, hint="Look at the log of the API.")
    moved = (data_dir / "api" / "serving.json").stat().st_mtime
    found = tuple(sorted((instant - moved) * 1000 for instant in instants))
    say(f"told of a generation: {found[0]:,.0f} to {found[-1]:,.0f} ms after the pointer")
    return found


@contextmanager
def _held(api: Server) -> Iterator[Connection]:
    """Hold the streams in another process during the block.

    The yielded pipe takes the number of a generation, and has then when each client was told.
    """
    subjects = -(-STREAMS // STREAMS_OF_ACCOUNT_MAX)
    tokens = [token(Role.MEMBER, 1 + number) for number in range(subjects)]
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(api.port, tokens, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        opened = ours.recv()
        if opened != STREAMS:
            raise AnalyticsError(
                f"{opened} of {STREAMS} streams were opened", hint="Look at the log of the API."
            )
        yield ours
    finally:
        ours.close()
        process.join()


def _hold(port: int, tokens: Sequence[str], control: Connection) -> None:
    raise_file_limit()
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for number in range(STREAMS):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            bearer = tokens[number % len(tokens)]
            head = (
                f"GET {PREFIX}/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n\r\n"
            )
            one.sendall(head.encode())
            selector.register(one, selectors.EVENT_READ)
        control.send(len(_instants(selector, _OPENED)))
        try:
            while True:
                wanted = control.recv()
                found = _instants(selector, b'"generation":%d,' % wanted)
                missing = STREAMS - len(found)
                control.send(f"{missing} streams were not told" if missing else found)
        except EOFError:
            return


def _instants(selector: selectors.BaseSelector, mark: bytes) -> list[float]:
    """When each stream has received these bytes, in seconds since 1970."""
    waiting = {key.fd: b"" for key in selector.get_map().values()}
    found = []
    deadline = time.monotonic() + _TOLD_SECONDS
    while waiting and time.monotonic() < deadline:
        for key, _ in selector.select(1):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            some = connection.recv(65536)
            now = time.time()
            if not some:
                selector.unregister(connection)
                waiting.pop(key.fd, None)
            elif key.fd in waiting:
                waiting[key.fd] += some
                if mark in waiting[key.fd]:
                    del waiting[key.fd]
                    found.append(now)
    return found
