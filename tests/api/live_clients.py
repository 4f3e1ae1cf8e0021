"""Clients of `/stream`: they read what is sent, block by block."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from api.app import PREFIX
from api.auth import Role
from tests.api.servers import Server
from tests.api.tokens import token

WAIT_SECONDS = 300


class StreamClient:
    """One open stream, over a connection of its own.

    Attributes:
        status: of the answer.
        headers: of the answer, in lower case.
        is_complete: whether the server has ended the answer as HTTP wants it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")
        self.connection = connection
        self.status = int(self._file.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            self.headers[name.lower()] = value
        self.is_complete = False
        self._text = ""

    def blocks(self) -> Iterator[str]:
        """Every block, comments included, until the stream ends."""
        while True:
            while "\n\n" in self._text:
                block, _, self._text = self._text.partition("\n\n")
                yield block
            size = self._file.readline()
            if not size:
                return
            content = self._file.read(int(size, 16))
            self._file.readline()
            if not content:
                self.is_complete = True
                return
            self._text += content.decode()

    def events(self) -> Iterator[tuple[str, Any]]:
        """The events: their names and contents."""
        for block in self.blocks():
            if block.startswith("event: "):
                first, data = block.split("\n")
                yield first.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    def next(self, name: str) -> Any:
        """The content of the next event of this name."""
        return next(content for found, content in self.events() if found == name)

    def read_to_end(self) -> None:
        """Read until the stream ends."""
        for _ in self.blocks():
            pass

    def body(self) -> Any:
        """The body of an answer in one piece."""
        return json.loads(self._file.read(int(self.headers["content-length"])))

    def close(self) -> None:
        """Go."""
        self._file.close()
        self.connection.close()


@contextmanager
def streaming(
    running: Server,
    role: Role = Role.ADMIN,
    subject: object = "boss",
    *,
    bearer: str | None = None,
    more: str = "",
    method: str = "GET",
    path: str = f"{PREFIX}/stream",
) -> Iterator[StreamClient]:
    """An open stream, or the answer in place of one.

    Args:
        bearer: the token, in place of one for role and subject.
        more: further header lines.
    """
    given = bearer or token(role, subject)
    with socket.create_connection(("127.0.0.1", running.port), WAIT_SECONDS) as connection:
        connection.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n"
            f"Authorization: Bearer {given}\r\n{more}\r\n".encode()
        )
        client = StreamClient(connection)
        try:
            yield client
        finally:
            client.close()


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def logged(running: Server, event: str) -> list[dict[str, Any]]:
    """The lines of an event in the log."""
    whole = running.log.read_text().rpartition("\n")[0]
    lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == event]
