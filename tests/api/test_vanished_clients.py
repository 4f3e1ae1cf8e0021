"""A connection that carries a stream is known as such, and a client that vanished is noticed."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from api.connections import Connections
from api.listener import Listener
from api.protocol import HEAD_BYTES_MAX, HttpProtocol

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is of Linux")

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def timeout_of(connection: socket.socket) -> int:
    """After how many milliseconds the system ends a connection whose client confirms nothing."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


def test_a_client_that_vanished_is_noticed_within_a_minute() -> None:
    """Without a word from a client the system ends its stream after a minute, so that it takes none
    of its subject's six; other answers have the system's own time."""
    made: list[tuple[HttpProtocol, socket.socket]] = []
    is_over = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await is_over.wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def run() -> None:
        config = uvicorn.Config(app, lifespan="off", h11_max_incomplete_event_size=HEAD_BYTES_MAX)
        config.load()
        connections = Connections(10)

        def make_protocol(accepted: socket.socket) -> HttpProtocol:
            protocol = HttpProtocol(connections, accepted, config, ServerState(), {})
            made.append((protocol, accepted))
            return protocol

        with socket.create_server(("127.0.0.1", 0)) as listening:
            listener = Listener(listening, 10, connections, make_protocol)
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(REQUEST)
            await reader.readuntil(b"a\r\n")
            ((protocol, accepted),) = made
            assert (protocol.is_stream, timeout_of(accepted)) == (True, 60_000)
            is_over.set()
            await reader.readuntil(b"0\r\n\r\n")
            assert not protocol.is_stream
            writer.close()
            await writer.wait_closed()
            listener.close()

    asyncio.run(run())


def test_a_stream_whose_client_reads_is_not_cut_off_at_a_stop() -> None:
    """Of the connections that are cut off at a stop none is without untaken bytes, or no stream."""
    cut: list[str] = []

    class Fake:
        def __init__(self, name: str, *, is_stream: bool, is_untaken: bool) -> None:
            self.name, self.is_stream, self.is_untaken = name, is_stream, is_untaken

        def has_untaken_bytes(self) -> bool:
            return self.is_untaken

        def drop(self) -> None:
            cut.append(self.name)

    connections = Connections(10)
    for name, is_stream, is_untaken in (
        ("reads", True, False), ("does not read", True, True), ("an answer", False, True)
    ):  # fmt: skip
        fake: Any = Fake(name, is_stream=is_stream, is_untaken=is_untaken)
        connections.add(fake, 0.0)
    connections.cut_off_streams()
    assert cut == ["does not read"]
