"""Servers of a single test, which may stop, pause and kill them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

from api.app import PREFIX
from etl.sandbox import valkey
from etl.sandbox.postgres import Cluster, PostgresServer

ROOT = Path(__file__).parents[1]
# A bound for a server that hangs, not for its speed.
HANG_SECONDS = 300


@contextmanager
def paused(*pids: int) -> Iterator[None]:
    """Pause processes during the block; their sockets stay open."""
    for pid in pids:
        with suppress(ProcessLookupError):  # a session that has just ended
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def installed_postgres() -> int | None:
    """The major version of the PostgreSQL on PATH; None where there is none."""
    if shutil.which("postgres") is None:
        return None
    said = subprocess.run(["postgres", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\d+", said.stdout)
    return int(found[0]) if found else None


class _InstalledCluster(Cluster):
    """A cluster of the PostgreSQL on PATH."""

    @property
    def programs(self) -> Path:
        return Path(shutil.which("postgres") or "").resolve().parent


@dataclass
class OwnPostgres:
    """A PostgreSQL server in its own directory."""

    cluster: Cluster
    server: PostgresServer

    @classmethod
    def start_in(cls, directory: Path, version: int = 18) -> OwnPostgres:
        """Create it and start it; of 16 and 18 the sandbox's, of others what is installed."""
        kind = Cluster if version in (16, 18) else _InstalledCluster
        cluster = kind(directory, version)
        return cls(cluster, cluster.start())

    def pids(self) -> list[int]:
        """The process ids of the server and of its sessions."""
        text = (self.cluster.data / "postmaster.pid").read_text()
        postmaster = int(text.split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def stop(self) -> None:
        """Stop it."""
        self.cluster.stop()

    def start(self) -> None:
        """Start the server again."""
        self.cluster.start()

    def kill(self) -> None:
        """Kill it and its sessions at once, like a crash."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@dataclass
class OwnValkey:
    """A Valkey server in its own directory, durable by default."""

    directory: Path
    options: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of its socket."""
        return f"unix://{self.directory / 's'}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {
            "port": "0",
            "unixsocket": str(self.directory / "s"),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            **self.options,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen(
            [str(valkey.server_program()), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        client = redis.Redis.from_url(self.url)
        deadline = time.monotonic() + HANG_SECONDS
        while not self._answers(client):
            assert time.monotonic() < deadline, "Valkey does not answer"
            time.sleep(0.01)
        client.close()

    def _answers(self, client: redis.Redis) -> bool:
        with suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it and wait until it has ended."""
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(timeout=HANG_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process is not None
        return self.process.pid


@contextmanager
def talking_nonsense(path: Path, nonsense: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Iterator[None]:
    """Within the block a server on a Unix socket answers whatever it is asked with these bytes."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def talk() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(nonsense)
                except OSError:
                    if listener.fileno() < 0:
                        return

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
            path.unlink()


class ApiProcess:
    """The API on a socket that stays open while the API is restarted, so that clients wait.

    Attributes:
        url: the prefix of all its endpoints.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {**os.environ, **environment}
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}{PREFIX}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; requests before it is ready wait in the backlog."""
        number = self.socket.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.api.on_socket", str(number)],
            cwd=ROOT,
            env=self.environment,
            pass_fds=[number],
        )

    def end(self, how: signal.Signals) -> int:
        """Stop it and wait until it has ended; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(timeout=HANG_SECONDS)
        self.process = None
        return code

    def close(self) -> None:
        """Kill it and close the socket."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.socket.close()
