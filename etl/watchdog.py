"""Time limits for a database driver that has none.

ADBC calls libpq, and libpq waits for an answer without a limit, in C. Two kinds of silence occur:

* The machine is gone, or the network drops packets. TCP notices: `with_time_limits` sets
  `connect_timeout`, the keepalives and `tcp_user_timeout` in the connection string, and libpq
  reports an error.
* The other kernel still acknowledges packets, but no data arrive: a stopped or swapping server, or
  a proxy that has lost its other side. TCP cannot tell this from a long query.

For the second kind, `Watchdog.call` runs each call of the driver in its own thread and waits for
it. After `limit_seconds` it asks on a second connection what our session does. A session that
executes a query is left alone: the role's `statement_timeout` limits it, and a scan that has no
row to send yet is not an error. If there is no answer, or the session has nothing to do, or its
rows are not delivered, the call is *abandoned*: it raises `TimeoutError`, and its thread and
connection stay behind until the call returns. `run --every` then replaces its process before the
next cycle (`abandoned_calls`), so nothing accumulates; every other command ends.

Why not something smaller:

* `statement_timeout` is enforced by the server, which is the one that does not respond.
* `adbc_cancel` calls `PQcancel`: it connects to the same server, has no time limit of its own, and
  after it libpq still waits for the server's reply.
* The driver does not expose its socket, so it cannot be shut down from here.
* A process that kills itself works as well, but then callers cannot report the error, and each
  cycle needs a parent process. An abandoned thread costs nothing when the process ends anyway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TypeVar

import adbc_driver_postgresql.dbapi as dbapi
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from olap import sqlfiles
from olap.errors import SourceError
from olap.log import get_logger
from olap.secret import Secret

log = get_logger(__name__)

T = TypeVar("T")

_CONNECT_SECONDS_MAX = 10
# Calls that have not returned. The list keeps all that they use from being freed beneath them.
_abandoned: list[Callable[[], object]] = []


def with_time_limits(url: Secret, limit_seconds: int) -> str:
    """The connection string with libpq's own time limits, where it does not set them itself.

    Args:
        limit_seconds: after which a machine that acknowledges nothing counts as gone.

    Raises:
        SourceError: `url` is neither a libpq URL nor a key=value string.
    """
    try:
        given = conninfo_to_dict(url.reveal())
    except psycopg.ProgrammingError:
        # libpq quotes the part that it cannot parse, which may be half of a password.
        raise SourceError(
            "DATABASE_URL is neither a libpq URL nor a key=value string",
            hint="Write it as postgresql://user:password@host:5432/database. Percent-encode "
            "special characters in a URL; quote values with spaces in a key=value string.",
        ) from None
    limits = {
        "connect_timeout": min(limit_seconds, _CONNECT_SECONDS_MAX),
        "keepalives_idle": max(limit_seconds // 2, 1),
        "keepalives_interval": max(limit_seconds // 6, 1),
        "keepalives_count": 3,
        "tcp_user_timeout": limit_seconds * 1000,
    }
    return make_conninfo("", **{**limits, **given})


def abandoned_calls() -> int:
    """How many calls of this process were abandoned and have not returned."""
    return len(_abandoned)


class Watchdog:
    """Waits for the calls of one connection, and abandons a call that has no prospect of an answer.

    Args:
        conninfo: for the second connection, on which the server is asked.
        limit_seconds: how long a call may take before the server is asked.

    Attributes:
        backend_pid: the connection's session at the server; None until it is known.
    """

    def __init__(self, conninfo: str, limit_seconds: float) -> None:
        self.backend_pid: int | None = None
        self._conninfo = conninfo
        self._limit = limit_seconds
        self._connection: dbapi.Connection | None = None
        self._verdict: str | None = None

    def connect(self, connect: Callable[[], dbapi.Connection]) -> dbapi.Connection:
        """The connection that all further calls use.

        libpq limits the handshake; the driver then queries the server's types without a limit.

        Raises:
            TimeoutError: it took longer than the limit.
        """
        self._connection = self.call(connect, at_most=self._limit)
        return self._connection

    def call(self, work: Callable[[], T], *, at_most: float | None = None) -> T:
        """The result of `work`, which calls the driver.

        Args:
            at_most: seconds after which `work` is abandoned without asking the server.

        Raises:
            TimeoutError: a call was abandoned, now or earlier. The connection is unusable.
        """
        if self._verdict is None:
            call, verdict = _started(work), "the wait was interrupted"
            try:
                verdict = self._wait(call, at_most) or verdict
            finally:
                if not call.done():
                    self._verdict = verdict
                    self._abandon(call, work)
        if self._verdict is not None:
            raise TimeoutError(self._verdict)
        return call.result()

    def _wait(self, call: Future[T], at_most: float | None) -> str | None:
        """Why it is useless to wait for this call any longer; None when it has returned."""
        begun, sent = time.monotonic(), None
        while not wait([call], timeout=self._limit if at_most is None else at_most).done:
            seconds = round(time.monotonic() - begun)
            if at_most is not None:
                return f"nothing came for {seconds} s"
            reason, sent = self._judge(sent)
            if reason is not None:
                return f"nothing came for {seconds} s, and {reason}"
            log.info("source.works", seconds=seconds, pid=self.backend_pid)
        return None

    def _judge(self, sent_before: int | None) -> tuple[str | None, int]:
        """Why our session has no prospect of an answer, if so; and how many rows it has sent."""
        asking = _started(lambda: _session(self._conninfo, self.backend_pid))
        if not wait([asking], timeout=self._limit).done:
            return "the server does not answer on a second connection either", 0
        try:
            state, event, sent = asking.result()
        except psycopg.Error as error:
            return f"a second connection fails: {' '.join(str(error).split())}", 0
        if state != "active":
            return f"its session there is {state or 'gone'}", sent
        # It waits for us to receive its rows. Over a slow line some arrive from time to time.
        if event == "ClientWrite" and sent == sent_before:
            return "the rows that the server sends do not arrive", sent
        return None, sent

    def _abandon(self, call: Future[T], work: Callable[[], T]) -> None:
        _abandoned.append(work)

        def returned(late: Future[T]) -> None:
            """Close the connection, in the thread of the call, when it returns after all."""
            _abandoned.remove(work)
            with suppress(Exception):
                connection = self._connection or late.result()
                if isinstance(connection, dbapi.Connection):
                    connection.close()

        call.add_done_callback(returned)


def _session(conninfo: str, pid: int | None) -> tuple[str, str, int]:
    """State, wait event and number of rows sent of a session; empty when it is gone."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        asking = psycopg.RawCursor(connection)
        found = asking.execute(sqlfiles.text("source/session").encode(), [pid]).fetchone()
    state, event, sent = found or ("", "", 0)
    return state or "", event or "", sent or 0


def _started(work: Callable[[], T]) -> Future[T]:
    """`work`, running in a daemon thread, which does not keep the process from ending."""
    call: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            call.set_exception(error)
        else:
            call.set_result(result)

    threading.Thread(target=run, name="database call", daemon=True).start()
    return call
