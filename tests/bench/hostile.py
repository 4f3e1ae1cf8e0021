"""Whether others are answered while a client holds connections that it does not use.

Another process opens 1,150 connections, with nothing or with half of a request sent, and opens each
that the API closes again within a second. Beside them one client sends a request on a new
connection, again and again. One worker runs with the limit of open files as it is, another with one
that is lower than the number of connections. The same without them shows what the machine does.
"""

from __future__ import annotations

import json
import multiprocessing
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from pathlib import Path

from api.app import PREFIX
from api.auth import Role
from api.server import raise_file_limit
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.bench.lake_copy import lake_copy
from tests.bench.source import Say

CONNECTIONS = 1150
FEW_FILES = 256
_REOPEN_SECONDS = 1.0
_REQUEST_SECONDS = 60.0
_CASES = (
    ("none", 0, b"", None),
    ("nothing sent", CONNECTIONS, b"", None),
    ("half of a request", CONNECTIONS, b"GET / HTTP/1.1\r\nhost: x\r\n", None),
    (f"nothing sent, {FEW_FILES} files", CONNECTIONS, b"", FEW_FILES),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileCase:
    """The requests of others beside one kind of connections.

    Attributes:
        ms: the time of each request, from its connection to the last byte.
        failed: how many got no answer, or another one than 200.
        reopened: how many of the connections the API has closed.
        log_lines: of the API, without those of requests.
    """

    about: str
    connections: int
    ms: tuple[float, ...]
    failed: int
    reopened: int
    log_lines: int


def measure_hostile(lake: Path, home: Path, say: Say, *, seconds: float) -> tuple[HostileCase, ...]:
    """Send requests beside each kind of connections.

    Args:
        lake: a `DATA_DIR`; it is never changed.
        home: the directory for a copy of it, and the logs.
        seconds: how long each kind lasts.
    """
    home.mkdir(parents=True, exist_ok=True)
    data_dir = lake_copy(lake, home / "data")
    found = []
    for about, count, sent, files in _CASES:
        log = home / "api.log"
        log.unlink(missing_ok=True)
        environment = {"DATABASE_URL": "", "EVENTS_DATABASE_URL": "", "CLIENT_SECONDS": "10"}
        if files is not None:
            environment["OPEN_FILES"] = f"{files} {files}"
        with server(
            data_dir, log, program="tests.api.limited_app",
            API_CONNECTIONS="1000", HELD_DIR=str(home), **environment,
        ) as api:  # fmt: skip
            case = _beside(api, about, count, sent, seconds)
        say(
            f"{count:,} connections, {about}: {len(case.ms):,} requests, {case.failed} "
            f"failed, worst {max(case.ms):,.0f} ms, {case.log_lines:,} log lines"
        )
        found.append(case)
    return tuple(found)


def _beside(api: Server, about: str, count: int, sent: bytes, seconds: float) -> HostileCase:
    times: list[float] = []
    failed = 0
    with _held(api.port, count, sent) as holder:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.perf_counter()
            failed += not _is_answered(api)
            times.append((time.perf_counter() - begun) * 1000)
        holder.send(None)
        reopened = holder.recv()
    lines = [json.loads(line) for line in api.log.read_text().splitlines() if line[:1] == "{"]
    return HostileCase(
        about=about,
        connections=count,
        ms=tuple(times),
        failed=failed,
        reopened=reopened,
        log_lines=sum(line.get("event") != "request" for line in lines),
    )


def _is_answered(api: Server) -> bool:
    connection = HTTPConnection("127.0.0.1", api.port, timeout=_REQUEST_SECONDS)
    bearer = {"Authorization": f"Bearer {token(Role.ADMIN, 'bench')}"}
    try:
        connection.request("GET", f"{PREFIX}/engagement", headers=bearer)
        answer = connection.getresponse()
        answer.read()
        return answer.status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _held(port: int, count: int, sent: bytes) -> Iterator[Connection]:
    """Hold connections in another process during the block.

    The yielded pipe takes anything as the end, and has then how many were opened again.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(port, count, sent, theirs), daemon=True)
    process.start()
    ours.recv()  # all are open
    try:
        yield ours
    finally:
        ours.close()
        process.join()


def _hold(port: int, count: int, sent: bytes, control: Connection) -> None:
    raise_file_limit()
    reopened = 0
    with selectors.DefaultSelector() as selector:

        def open_one() -> None:
            with suppress(OSError):
                one = socket.create_connection(("127.0.0.1", port))
                selector.register(one, selectors.EVENT_READ)
                one.sendall(sent)

        for _ in range(count):
            open_one()
        control.send(None)
        while not control.poll(_REOPEN_SECONDS):
            for key, _ in selector.select(0):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                selector.unregister(one)
                one.close()
                open_one()
                reopened += 1
        control.send(reopened)
