"""A connection that cannot hang: time limits for connecting, and a watchdog for reading.

libpq waits for an answer as long as it takes, in C, deaf to Python. What ends the wait:

* The server closes the connection, or its machine is gone: TCP keepalive and `tcp_user_timeout`
  tell libpq, and the statement fails by itself.
* The peer's kernel still acknowledges but nothing comes: a stopped or swapping server, a proxy or
  firewall that has lost its other side. Nothing in TCP tells this from a long query at work.

So the watchdog asks. When a statement has waited for `limit_seconds` without a byte, it opens a
second connection and looks for our session in `pg_stat_activity`. If PostgreSQL answers that the
session is active, it is a long query at work (a scan before its first row, a sum over a table), and
may take as long as it likes; the role's own `statement_timeout` is the limit for that. If there is
no answer, or the session has finished (its answer is lost), or it waits for us to take its rows
(they are lost), then the connection is broken off, from this side: `shutdown` on libpq's socket
ends the read at once, where a cancel request would need the very server that does not answer.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from olap import sqlfiles
from olap.errors import SourceError
from olap.log import get_logger
from olap.settings import Secret

log = get_logger(__name__)

T = TypeVar("T")

_CONNECT_SECONDS_MAX = 10
_connections = itertools.count()
_finding_a_socket = threading.Lock()
# <linux/tcp.h>: struct tcp_info, tcpi_last_data_recv (milliseconds) after eight u8 and eleven u32.
_LAST_DATA_RECEIVED = struct.Struct("=52xI")


def with_time_limits(url: Secret, limit_seconds: int) -> str:
    """The connection string with libpq's own time limits, where it does not set them itself.

    Args:
        limit_seconds: after which a machine that acknowledges nothing counts as gone.

    Raises:
        SourceError: it is neither a libpq URL nor a key=value string.
    """
    try:
        given = conninfo_to_dict(url.reveal())
    except psycopg.ProgrammingError:
        # libpq quotes the part that it cannot read, which may be half of a password.
        raise SourceError(
            "DATABASE_URL is neither a libpq URL nor a key=value string",
            hint="Write it as postgresql://user:password@host:5432/database; percent-encode what "
            "is special in a URL, and quote values with spaces in a key=value string.",
        ) from None
    limits = {
        "connect_timeout": min(limit_seconds, _CONNECT_SECONDS_MAX),
        "keepalives_idle": max(limit_seconds // 2, 1),
        "keepalives_interval": max(limit_seconds // 6, 1),
        "keepalives_count": 3,
        # A few milliseconds more for each connection: by them its socket is found again.
        "tcp_user_timeout": limit_seconds * 1000 + next(_connections) % 1000,
    }
    return make_conninfo("", **{**limits, **given})


@dataclass(slots=True)
class _Wait:
    """One statement's waiting; the watchdog may excuse it when it has asked."""

    since: float
    ends: float | None
    excused: float = field(default=0.0)


class Watchdog:
    """Breaks off a connection whose server is silent.

    Args:
        conninfo: to ask on a second connection.
        limit_seconds: how long a statement may wait without a byte before the server is asked.
        watched: libpq's socket; None where it could not be told from others: then nothing is
            watched, and only libpq's own limits hold.

    Attributes:
        backend_pid: our session at the server, once it is known.
        verdict: why the connection was broken off; None while it was not.
    """

    def __init__(self, conninfo: str, limit_seconds: int, watched: socket.socket | None) -> None:
        self.backend_pid: int | None = None
        self.verdict: str | None = None
        self._conninfo = conninfo
        self._limit = limit_seconds
        self._socket = watched
        self._wait: _Wait | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        if watched is not None:
            self._thread.start()

    @contextmanager
    def waiting(self, *, at_most: float | None = None) -> Iterator[None]:
        """Watch while the block waits for the server.

        Args:
            at_most: seconds after which the connection is broken off without asking.
        """
        now = time.monotonic()
        with self._lock:
            self._wait = _Wait(now, now + at_most if at_most is not None else None)
        try:
            yield
        finally:
            with self._lock:
                self._wait = None

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._socket is not None:
            self._thread.join()
            self._socket.close()

    def _watch(self) -> None:
        while not self._stop.wait(min(1.0, self._limit / 4)):
            wait = self._wait
            if wait is not None and (verdict := self._judge(wait)) is not None:
                self._break_off(wait, verdict)

    def _judge(self, wait: _Wait) -> str | None:
        """Why this wait is not worth going on with; None when it is."""
        now = time.monotonic()
        if wait.ends is not None:
            return f"nothing came for {now - wait.since:.0f} s" if now > wait.ends else None
        silent = min(now - max(wait.since, wait.excused), self._seconds_without_data())
        if silent < self._limit:
            return None
        reason = self._ask()
        if reason is not None:
            return f"nothing came for {silent:.0f} s, and {reason}"
        wait.excused = time.monotonic()
        log.info("source.works", seconds=round(wait.excused - wait.since), pid=self.backend_pid)
        return None

    def _break_off(self, wait: _Wait, verdict: str) -> None:
        assert self._socket is not None
        with self._lock:
            if self._wait is not wait:
                return  # the answer came while we asked
            self.verdict = verdict
            _shut(self._socket)

    def _seconds_without_data(self) -> float:
        """How long the socket has received nothing; forever where the system does not tell."""
        assert self._socket is not None
        option = getattr(socket, "TCP_INFO", None)
        if option is None or self._socket.family == socket.AF_UNIX:
            return float("inf")
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, option, _LAST_DATA_RECEIVED.size)
            milliseconds: int = _LAST_DATA_RECEIVED.unpack(info)[0]
        except (OSError, struct.error):
            return float("inf")
        return milliseconds / 1000

    def _ask(self) -> str | None:
        """What a second connection says against our session; None when it is at work."""
        try:
            state, event = _session(self._conninfo, self.backend_pid, self._limit)
        except TimeoutError:
            return "the server does not answer on a second connection either"
        except psycopg.Error as error:
            return f"a second connection fails: {' '.join(str(error).split())}"
        if state == "active" and event != "ClientWrite":
            return None
        if event == "ClientWrite":
            return "the rows that the server sends do not arrive"
        return f"its session there is {state or 'gone'}"


def _session(conninfo: str, pid: int | None, limit_seconds: float) -> tuple[str, str]:
    """State and wait event of a session, as a second connection sees them; empty when it is gone.

    Step by step on libpq, because psycopg's own `execute` would wait without a limit.

    Raises:
        TimeoutError: there was no answer.
        psycopg.Error: there was another one.
    """
    deadline = time.monotonic() + limit_seconds
    asking = pq.PGconn.connect_start(conninfo.encode())
    try:
        while (status := asking.connect_poll()) != pq.PollingStatus.OK:
            if status == pq.PollingStatus.FAILED:
                raise psycopg.OperationalError(asking.get_error_message())
            _wait_for(asking.socket, status == pq.PollingStatus.WRITING, deadline)
        asking.send_query_params(sqlfiles.text("source/session").encode(), [str(pid).encode()])
        while asking.is_busy():
            _wait_for(asking.socket, False, deadline)
            asking.consume_input()
        answer = asking.get_result()
        if answer is None or answer.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(asking.get_error_message())
        if not answer.ntuples:
            return "", ""
        state, event = ((answer.get_value(0, column) or b"").decode() for column in range(2))
        return state, event
    finally:
        asking.finish()


def _wait_for(descriptor: int, is_writing: bool, deadline: float) -> None:
    """Wait until a socket can be read, or written to.

    Raises:
        TimeoutError: the deadline has passed.
    """
    left = deadline - time.monotonic()
    watched = ([], [descriptor]) if is_writing else ([descriptor], [])
    if left <= 0 or not any(select.select(*watched, [], left)):
        raise TimeoutError


def connected(
    connect: Callable[[], T], conninfo: str, limit_seconds: float
) -> tuple[T, socket.socket | None]:
    """Connect, and find the socket it was done with; the driver does not tell.

    It is one that was not there before, and it has the timeout that `with_time_limits` gave to
    this connection alone; on a Unix socket, its peer is a PostgreSQL. Were there two such, none
    would be taken: a wrong one must not be shut.

    Raises:
        TimeoutError: it took longer than the limit. libpq has a limit of its own for the
            handshake; the driver asks for the server's types after that, without any.
    """
    limits = conninfo_to_dict(conninfo)
    is_done, was_shut = threading.Event(), threading.Event()
    with _finding_a_socket:
        before = set(_sockets().values())

        def shut_in_time() -> None:
            while not is_done.wait(limit_seconds):
                for own in _opened_since(before, limits):
                    was_shut.set()
                    _shut(own)
                    own.close()

        timer = threading.Thread(target=shut_in_time, name="connecting", daemon=True)
        timer.start()
        try:
            connection = connect()
        except Exception:
            if was_shut.is_set():
                raise TimeoutError(f"nothing came for {limit_seconds} s") from None
            raise
        finally:
            is_done.set()
            timer.join()
        found = _opened_since(before, limits)
    if len(found) == 1:
        return connection, found[0]
    for own in found:
        own.close()
    log.warning("source.unwatched", sockets=len(found))
    return connection, None


def _opened_since(before: set[int], limits: Mapping[str, Any]) -> list[socket.socket]:
    """PostgreSQL's among the sockets that were not there before, each to be closed."""
    new = [number for number, inode in _sockets().items() if inode not in before]
    found = []
    for own in map(_duplicate, new):
        if own is not None and _is_ours(own, limits):
            found.append(own)
        elif own is not None:
            own.close()
    return found


def _shut(own: socket.socket) -> None:
    with suppress(OSError):
        own.shutdown(socket.SHUT_RDWR)


def _is_ours(opened: socket.socket, conninfo: Mapping[str, Any]) -> bool:
    hosts = str(conninfo.get("host") or conninfo.get("hostaddr") or "/")
    if opened.family == socket.AF_UNIX:
        return "/" in hosts and ".s.PGSQL." in str(opened.getpeername())
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None:
        return hosts != "/"
    return opened.getsockopt(socket.IPPROTO_TCP, option) == int(conninfo["tcp_user_timeout"])


def _sockets() -> dict[int, int]:
    """The sockets of this process: descriptor to inode."""
    directory = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    found = {}
    for entry in directory.iterdir():
        with suppress(OSError, ValueError):
            status = os.fstat(int(entry.name))
            if stat.S_ISSOCK(status.st_mode):
                found[int(entry.name)] = status.st_ino
    return found


def _duplicate(descriptor: int) -> socket.socket | None:
    """The same socket under a descriptor of our own, if it is connected to somebody."""
    try:
        own = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return None
    try:
        own.getpeername()
    except OSError:
        own.close()
        return None
    return own
