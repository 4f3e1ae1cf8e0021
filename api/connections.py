"""The connections of a worker: bounded in number, and none waits for its client for ever.

At each moment either the client waits for the API, or the API waits for the client: for the rest of
a request, or for the client to take its answer. Only the second is limited here (queries have
`QUERY_TIMEOUT_SECONDS`). A client that owes something has ten seconds:

* The head of a request must be complete, and a connection without a request is closed then.
* A body must make progress, and come at 500 bytes per second on average.
* An answer must be taken at the same pace; what is not taken occupies memory.

The worker accepts connections itself, because asyncio logs each failure of `accept` and schedules a
further attempt for each: 1,150 idle connections made 202,423 log lines. When `API_CONNECTIONS` or
the limit of open files is reached, the newest connection without a request is closed in favour of
the next one, so those that came before a flood outlast it. If there is none, a client that does not
take its answer is cut off, and if there is none either, the newest one gets 503.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import h11
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from api.problems import MEDIA_TYPE
from olap.log import get_logger

log = get_logger(__name__)

CLIENT_SECONDS = 10.0
# A token takes up to 8 kB of it, and the cookies of other pages of the same host the most.
HEAD_BYTES_MAX = 32_768
_BYTES_PER_SECOND_MIN = 500
# What a worker has open besides its connections: DuckDB's files, Redis, PostgreSQL, the log.
OTHER_FILES = 96
_ACCEPTED_AT_ONCE = 16
_SPARED_SECONDS = 0.05
_ACCEPT_PAUSE_SECONDS = 0.1
_REFUSED_AT_ONCE = 32
_REFUSED_SECONDS = 1.0


def problem(status: HTTPStatus, detail: str, *, retry_after: int | None = None) -> bytes:
    """A whole response, after which the connection is closed.

    It is for requests that never reach the application.
    """
    body = msgspec.json.encode({"status": status.value, "title": status.phrase, "detail": detail})
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    if retry_after is not None:
        lines.append(f"retry-after: {retry_after}")
    return "\r\n".join([*lines, "", ""]).encode() + body


_LINES = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9a-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}

_BUSY = problem(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "There are too many connections: send the request again later.",
    retry_after=1,
)
_TOO_SLOW = problem(
    HTTPStatus.REQUEST_TIMEOUT,
    f"The request did not arrive in time: send its head within {CLIENT_SECONDS:.0f} seconds, and "
    f"its body at {_BYTES_PER_SECOND_MIN} bytes per second or more.",
)
_MALFORMED = problem(HTTPStatus.BAD_REQUEST, "This is not a valid HTTP request.")


class Connections:
    """The connections of a worker, and which of them wait for their client."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Since when, in seconds of the loop's clock; the newest is the last.
        self._open: dict[HttpProtocol, float] = {}
        # The same for those that have sent nothing: they are sockets and no more.
        self._silent: dict[socket.socket, float] = {}
        self._counts = {"refused": 0, "dropped": 0, "too_slow": 0, "accept_failed": 0}
        self._error = ""
        # The same for the present wait.
        self._waiting: dict[HttpProtocol, float] = {}

    @property
    def is_full(self) -> bool:
        """Whether another one would exceed the limit."""
        return self._count >= self._limit

    @property
    def _count(self) -> int:
        return len(self._open) + len(self._silent)

    def add_silent(self, accepted: socket.socket, begin: Callable[[socket.socket], None]) -> None:
        """Count a connection that has sent nothing; `begin` receives it when it has."""
        loop = asyncio.get_running_loop()
        self._silent[accepted] = loop.time()
        loop.add_reader(accepted, begin, accepted)

    def remove_silent(self, accepted: socket.socket) -> None:
        """Forget a connection that has sent something, or that is closed."""
        asyncio.get_running_loop().remove_reader(accepted)
        del self._silent[accepted]

    def add(self, connection: HttpProtocol, now: float) -> None:
        """Count a connection, which waits for its first request."""
        self._open[connection] = now
        self._waiting[connection] = now

    def remove(self, connection: HttpProtocol) -> None:
        """Forget a connection that has ended."""
        self._open.pop(connection, None)
        self._waiting.pop(connection, None)

    def wait_for_client(self, connection: HttpProtocol, now: float) -> None:
        """The client has ten seconds from now."""
        self._waiting.pop(connection, None)  # so that it becomes the last
        if connection in self._open:
            self._waiting[connection] = now

    def stop_waiting(self, connection: HttpProtocol) -> None:
        """The client owes nothing."""
        self._waiting.pop(connection, None)

    def is_newest_unread(self) -> bool:
        """Whether it is not known yet if the newest connection has a request."""
        newest = next(reversed(self._open), None)
        return newest is not None and newest.is_unread()

    def make_room(self, now: float) -> bool:
        """Close the newest connection without a request, else a client that takes no answer.

        One that has just been accepted is spared while there are others: its request is under way.
        """
        for latest in (now - _SPARED_SECONDS, now):
            silent = self._newest_silent(latest)
            idle = self._newest_idle(latest)
            if idle is not None and (silent is None or self._open[idle] > self._silent[silent]):
                return self._drop(idle)
            if silent is not None:
                self._close_silent(silent)
                self._counts["dropped"] += 1
                return True
        for connection in reversed(self._open):
            if connection.has_untaken_bytes():
                return self._drop(connection)
        return False

    def _newest_silent(self, latest: float) -> socket.socket | None:
        for accepted, since in reversed(self._silent.items()):
            if since <= latest and not _has_arrived(accepted):
                return accepted
        return None

    def _newest_idle(self, latest: float) -> HttpProtocol | None:
        for connection, since in reversed(self._open.items()):
            if since <= latest and connection.is_idle():
                return connection
        return None

    def _drop(self, connection: HttpProtocol) -> bool:
        self.remove(connection)
        self._counts["dropped"] += 1
        connection.drop()
        return True

    def _close_silent(self, accepted: socket.socket) -> None:
        self.remove_silent(accepted)
        accepted.close()

    def close_all_silent(self) -> None:
        """Close every connection that has sent nothing."""
        for accepted in list(self._silent):
            self._close_silent(accepted)

    def note_refused(self) -> None:
        """Count a client that got 503."""
        self._counts["refused"] += 1

    def note_too_slow(self) -> None:
        """Count a request that was cut off."""
        self._counts["too_slow"] += 1

    def note_accept_failed(self, error: OSError) -> None:
        """Count a failure of `accept`."""
        self._counts["accept_failed"] += 1
        self._error = str(error)

    def check(self, now: float) -> None:
        """End what has waited too long, and log in one line what was refused since the last call.

        To be called once a second.
        """
        for accepted in [
            one for one, since in self._silent.items() if now - since > CLIENT_SECONDS
        ]:
            self._close_silent(accepted)
        late = []
        for connection, since in self._waiting.items():
            if now - since < CLIENT_SECONDS:
                break
            late.append(connection)
        for connection in late:
            self._counts["too_slow"] += connection.end_wait(now)
        if any(self._counts.values()):
            log.warning("connections.limited", **self._counts, open=self._count, error=self._error)
            self._counts = dict.fromkeys(self._counts, 0)
            self._error = ""


class HttpProtocol(H11Protocol):
    """uvicorn's protocol for one connection; it tells `Connections` when it waits for its client.

    It is h11's and not that of httptools, which parses faster: h11 bounds the head of a request,
    and rejects what two servers may read in different ways.
    """

    def __init__(
        self,
        connections: Connections,
        accepted: socket.socket,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._application = self.app
        self.app = self._answer
        self._connections = connections
        self._socket = accepted
        self._is_dropped = False
        self._has_head_begun = False
        self._body_since: float | None = None
        self._body_bytes = 0
        self._untaken_bytes = 0
        connections.add(self, self.loop.time())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio: the connection can be used."""
        super().connection_made(transport)
        if self._is_dropped:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the connection has ended."""
        super().connection_lost(exc)
        self._connections.remove(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: the client has sent something."""
        self.conn.receive_data(data)
        self.handle_events()
        now = self.loop.time()
        if self.conn.their_state is h11.IDLE:
            if self._has_head_begun:
                return  # the ten seconds are for the whole head
            self._has_head_begun = bool(self.conn.trailing_data[0])
        elif self.conn.their_state is h11.SEND_BODY and not self._is_body_in_time(len(data), now):
            self._connections.note_too_slow()
            self._cut_off()
        self._settle(now)

    def on_response_complete(self) -> None:
        """Called when the application has answered: begin the next request.

        uvicorn's own method starts a timer for each response.
        """
        self.server_state.total_requests += 1
        self._has_head_begun = False
        self._body_since = None
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.conn.our_state is h11.DONE and self.conn.their_state is h11.DONE:
                self.conn.start_next_cycle()
            if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
                self.handle_events()
        self._settle(self.loop.time())

    def pause_writing(self) -> None:
        """Called by asyncio: the client does not take its answer as fast as it is written."""
        super().pause_writing()
        self._settle(self.loop.time())

    def resume_writing(self) -> None:
        """Called by asyncio: the client has taken most of what was written."""
        super().resume_writing()
        self._settle(self.loop.time())

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn: these bytes are no request."""
        self.transport.write(_MALFORMED)
        self.transport.close()

    def is_idle(self) -> bool:
        """Whether it has no request, and nothing has arrived that was not read yet."""
        return self._is_between_requests and not self.has_untaken_bytes() and not self.is_unread()

    def is_unread(self) -> bool:
        """Whether the next request, or a part of it, has arrived and was not read yet."""
        if not self._is_between_requests or self._is_ending:
            return False
        return _has_arrived(self._socket)

    def has_untaken_bytes(self) -> bool:
        """Whether the client has not taken all of what was written."""
        return self.transport is not None and self.transport.get_write_buffer_size() > 0

    def drop(self) -> None:
        """End it in favour of another connection."""
        self._is_dropped = True
        if self.transport is not None:  # else as soon as it has one
            self.transport.abort()

    def end_wait(self, now: float) -> bool:
        """End it after ten seconds, or wait on; whether a request or an answer was cut off."""
        untaken = self.transport.get_write_buffer_size()
        if untaken and self._untaken_bytes - untaken < CLIENT_SECONDS * _BYTES_PER_SECOND_MIN:
            self.transport.abort()
            return True
        is_unread = self.flow.read_paused and not self._is_between_requests
        if untaken or is_unread:  # the client makes progress, or the application does not read
            self._settle(now)
            return False
        if self.transport.is_closing():
            return False
        return self._cut_off()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the application; an answer in one piece, as all of ours, is written at once."""
        start: Any = None

        async def send_whole(message: Any) -> None:
            nonlocal start
            if start is None and message["type"] == "http.response.start":
                start = message
                return
            head, start = start, None
            if head is not None:
                if self._has_written(head, message):
                    return
                await send(head)
            await send(message)

        await self._application(scope, receive, send_whole)

    def _has_written(self, start: Any, message: Any) -> bool:
        """Write an answer if this is all of it, and the connection is kept; whether it was written.

        h11 checks and copies each header several times, and its answer is three writes: 30 µs of
        the 150 µs of processor time that a cached dashboard took.
        """
        body: bytes = message.get("body", b"")
        if (
            message["type"] != "http.response.body"
            or message.get("more_body", False)
            or self.conn.our_state is not h11.SEND_RESPONSE
            or self.conn.their_state is not h11.DONE  # else it is closed after the answer
            or self.cycle.disconnected
            or not self.cycle.keep_alive
            or self.flow.write_paused
        ):
            return False
        headers = [*self.server_state.default_headers, *start.get("headers", ())]
        head = _head(start["status"], headers, len(body)) if start["status"] in _PHRASES else None
        if head is None:
            return False
        self.transport.write(head + body)
        # h11 does not know of the answer, so its successor reads what has arrived behind.
        pending, _ = self.conn.trailing_data
        self.conn = h11.Connection(h11.SERVER, HEAD_BYTES_MAX)
        if pending:
            self.conn.receive_data(pending)
        self.cycle.response_started = self.cycle.response_complete = True
        self.cycle.message_event.set()
        self.cycle.on_response()
        return True

    @property
    def _is_ending(self) -> bool:
        return self._is_dropped or (self.transport is not None and self.transport.is_closing())

    @property
    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _settle(self, now: float) -> None:
        """Begin or stop to wait for the client."""
        if (
            self._is_between_requests
            or self.conn.their_state is h11.SEND_BODY
            or self.flow.write_paused
            or self.transport.is_closing()
        ):
            self._untaken_bytes = self.transport.get_write_buffer_size()
            self._connections.wait_for_client(self, now)
        else:
            self._connections.stop_waiting(self)

    def _is_body_in_time(self, received: int, now: float) -> bool:
        """Whether a body of which some bytes have come is as fast as it must be on average."""
        if self._body_since is None:
            self._body_since, self._body_bytes = now, 0
        self._body_bytes += received
        owed_seconds = now - self._body_since - CLIENT_SECONDS
        return self._body_bytes >= _BYTES_PER_SECOND_MIN * owed_seconds

    def _cut_off(self) -> bool:
        """Close it, with 408 if the client waits for an answer; whether it does."""
        is_awaited = self._has_head_begun
        if not self._is_between_requests:
            is_awaited = not self.cycle.response_started
        if is_awaited:
            self.transport.write(_TOO_SLOW)
        self.transport.close()
        return is_awaited


def _has_arrived(accepted: socket.socket) -> bool:
    """Whether the client has sent something that was not read yet."""
    try:
        return len(accepted.recv(1, socket.MSG_PEEK)) > 0
    except OSError:  # nothing has arrived, or it has just ended
        return False


def _head(status: int, headers: list[tuple[bytes, bytes]], length: int) -> bytes | None:
    """The head of an answer with a body of this length; None if it needs h11's care."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    is_empty = length == 0 and status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
    if (
        not _LINES.fullmatch(lines)
        or lines.count(b"\r\n") != len(headers)  # a value that contains a line
        or lines.count(b"content-length: ") != (not is_empty)
        or not (is_empty or b"content-length: %d\r\n" % length in lines)
        or b"connection: " in lines
        or b"transfer-encoding: " in lines
    ):
        return None
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, _PHRASES[status], lines)


class Listener:
    """Accepts the connections of a socket; uvicorn closes it like a server of asyncio."""

    def __init__(
        self,
        listening: socket.socket,
        backlog: int,
        connections: Connections,
        make_protocol: Callable[[socket.socket], HttpProtocol],
    ) -> None:
        self._listening = listening
        self._connections = connections
        self._make_protocol = make_protocol
        self._loop = asyncio.get_running_loop()
        self._starting: set[asyncio.Task[None]] = set()
        self._refused: set[_Refusal] = set()
        self._pause: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        listening.listen(backlog)
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._connections.close_all_silent()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for: uvicorn waits for the connections."""

    def _accept(self) -> None:
        for number in range(_ACCEPTED_AT_ONCE):
            if self._connections.is_full and self._connections.is_newest_unread():
                return  # in a few turns it is, and this socket reports the next client again
            try:
                accepted, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Without a file, `accept` fails even if no client waits. One does at first.
                if number == 0:
                    self._connections.note_accept_failed(error)
                    if not self._connections.make_room(self._loop.time()):
                        self._wait()
                return  # the file of a connection that was dropped is free in the next turn
            accepted.setblocking(False)
            if self._connections.is_full and not self._connections.make_room(self._loop.time()):
                self._connections.note_refused()
                self._start(_Refusal(self._refused), accepted)
            elif _has_arrived(accepted):
                self._start(self._make_protocol(accepted), accepted)
            else:
                self._connections.add_silent(accepted, self._begin)

    def _begin(self, accepted: socket.socket) -> None:
        """The client has sent something, or has ended the connection."""
        self._connections.remove_silent(accepted)
        self._start(self._make_protocol(accepted), accepted)

    def _start(self, protocol: asyncio.Protocol, accepted: socket.socket) -> None:
        task = self._loop.create_task(self._connect(protocol, accepted))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _connect(self, protocol: asyncio.Protocol, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, accepted)
        except OSError as error:
            accepted.close()
            if isinstance(protocol, HttpProtocol):
                self._connections.remove(protocol)
            self._connections.note_accept_failed(error)

    def _wait(self) -> None:
        """Accept nothing for a moment, since the socket reports the same connection at once."""
        self._loop.remove_reader(self._listening)
        self._pause = self._loop.call_later(
            _ACCEPT_PAUSE_SECONDS, self._loop.add_reader, self._listening, self._accept
        )


class _Refusal(asyncio.Protocol):
    """A connection that gets 503 without being read.

    It stays open for a moment: closed before its request has been received, the system would reset
    it, and the client might not see the answer.
    """

    def __init__(self, others: set[_Refusal]) -> None:
        self._others = others

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by asyncio: answer."""
        transport.write(_BUSY)
        if len(self._others) >= _REFUSED_AT_ONCE:
            transport.close()
            return
        self._others.add(self)
        transport.write_eof()
        asyncio.get_running_loop().call_later(_REFUSED_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio: the client has read it, or was too slow."""
        self._others.discard(self)
