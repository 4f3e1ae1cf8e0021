"""One connection: uvicorn's protocol, with bounded waits, and answers written at once.

It is h11's and not that of httptools, which parses faster: h11 bounds the head of a request, and
rejects what two servers may read in different ways.
"""

from __future__ import annotations

import asyncio
import re
import socket
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from api.connections import (
    BYTES_PER_SECOND_MIN,
    CLIENT_SECONDS,
    Connections,
    has_arrived,
    notice_vanished,
)
from api.headers import of_every_answer
from api.problems import Problem, body_of, headers_of
from api.socket_protocol import SocketProtocol

# A token takes up to 8 kB of it, and the cookies of other pages of the same host the most.
HEAD_BYTES_MAX = 32_768

_LINES = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9a-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")
# 16 random bytes in base64.
_SOCKET_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


def last_response(problem: Problem) -> bytes:
    """A whole response to a request that does not reach the application; it ends the connection."""
    body = body_of(problem)
    own = [*headers_of(problem, body), (b"connection", b"close")]
    lines = [b"%b: %b\r\n" % header for header in (*own, *of_every_answer(has_cors=False))]
    status = problem.status_code
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, _PHRASES[status], b"".join(lines), body)


_TOO_SLOW = last_response(
    Problem(
        HTTPStatus.REQUEST_TIMEOUT,
        f"The request did not arrive in time: send its head within {CLIENT_SECONDS:.0f} seconds, "
        f"and its body at {BYTES_PER_SECOND_MIN} bytes per second or more.",
    )
)
_MALFORMED = last_response(Problem(HTTPStatus.BAD_REQUEST, "This is not a valid HTTP request."))


class HttpProtocol(H11Protocol):
    """A connection; it tells `Connections` when it waits for its client.

    Attributes:
        is_stream: whether it has a request that does not end by itself.
    """

    def __init__(
        self,
        connections: Connections,
        accepted: socket.socket,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        socket_paths: frozenset[bytes] = frozenset(),
    ) -> None:
        """A connection that is not made yet.

        Args:
            socket_paths: where it may become a WebSocket.
        """
        super().__init__(config, server_state, app_state)
        self._application = self.app
        self.app = self._answer
        self._connections = connections
        self._socket = accepted
        self._socket_paths = socket_paths
        self.is_stream = False
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
        self.is_stream = False
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
        return has_arrived(self._socket)

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
        if untaken and self._untaken_bytes - untaken < CLIENT_SECONDS * BYTES_PER_SECOND_MIN:
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
                self._begin_stream()
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
        head = head_of(start["status"], headers, len(body)) if start["status"] in _PHRASES else None
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

    def _begin_stream(self) -> None:
        """All answers are in one piece, except those that do not end by themselves."""
        self.is_stream = True
        notice_vanished(self._socket)

    def _should_upgrade(self) -> bool:
        """Called by uvicorn: whether this request becomes a WebSocket.

        What is no whole handshake of a WebSocket at its path is a request like others.
        """
        given = dict(self.headers)
        return (
            self.scope["method"] == "GET"
            and self.scope["raw_path"] in self._socket_paths
            and not self.scope["query_string"]
            and self.scope["http_version"] == "1.1"
            and given.get(b"upgrade", b"").lower() == b"websocket"
            and b"upgrade" in _words(given.get(b"connection", b""))
            and given.get(b"sec-websocket-version") == b"13"
            and _SOCKET_KEY.fullmatch(given.get(b"sec-websocket-key", b"")) is not None
        )

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Called by uvicorn: become a WebSocket."""

        def successor(**arguments: Any) -> SocketProtocol:
            made = SocketProtocol(self._connections, **arguments)
            self._connections.replace(self, made)
            return made

        self.ws_protocol_class = successor  # type: ignore[assignment]
        super().handle_websocket_upgrade(event)

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
        return self._body_bytes >= BYTES_PER_SECOND_MIN * owed_seconds

    def _cut_off(self) -> bool:
        """Close it, with 408 if the client waits for an answer; whether it does."""
        is_awaited = self._has_head_begun
        if not self._is_between_requests:
            is_awaited = not self.cycle.response_started
        if is_awaited:
            self.transport.write(_TOO_SLOW)
        self.transport.close()
        return is_awaited


def _words(value: bytes) -> set[bytes]:
    """The elements of a header, in lower case."""
    return {one.strip().lower() for one in value.split(b",")}


def head_of(status: int, headers: list[tuple[bytes, bytes]], length: int) -> bytes | None:
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
