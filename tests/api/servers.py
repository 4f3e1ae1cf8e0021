"""The API as operators run it: `python -m api` in a process of its own, on a port of loopback."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.tokens import SECRET

ROOT = Path(__file__).parents[2]
# Reached only if it never starts or never stops.
_START_SECONDS = 600
# Another run of the tests at the same time begins elsewhere.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = itertools.count(20_000 + 1_000 * (_WORKER % 12) + os.getpid() % 500)


@dataclass(slots=True)
class Server:
    """A running API."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self, path: str = "/health/ready") -> None:
        """Wait until a generation serves, or until another public path answers 200."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                if httpx.get(f"{self.url}{path}", timeout=600).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the API is not ready: {self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> int:
        """Send SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=_START_SECONDS)


def free_port() -> int:
    """A port on which no process listens, and that no other caller is given.

    It is below the ports that the system gives by itself, and each worker of the tests has its own:
    between this call and the start of a server nobody else can take it.
    """
    while True:
        port = next(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def workers_of(pid: int) -> list[int]:
    """The workers of a supervisor."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in children if b"spawn_main" in command_of(int(one))]


def command_of(pid: int) -> bytes:
    """The command line of a process; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def server(
    data_dir: Path,
    log: Path,
    *arguments: str,
    program: str = "tests.api.patient",
    wait_for: str = "/health/ready",
    **variables: str,
) -> Iterator[Server]:
    """An API on a DATA_DIR, with these arguments and environment variables.

    Args:
        arguments: without `--port` it listens on a free one.
        program: another module to run instead; it receives `--port`.
        wait_for: the path that answers 200 when it has started.
    """
    if "--port" not in arguments:
        arguments = ("--port", str(free_port()), *arguments)
    port = int(arguments[arguments.index("--port") + 1])
    environment = {
        "JWT_SECRET": SECRET,
        "DATA_DIR": str(data_dir),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "RATE_LIMIT_PER_MINUTE": "1000000000",
        "COMPUTE_LIMIT_PER_MINUTE": "1000000000",
        "ANONYMOUS_LIMIT_PER_MINUTE": "1000000000",
        "QUERY_TIMEOUT_SECONDS": "600",
        "SCOPE_MAX_AGE_SECONDS": "31536000",
        "LOG_FORMAT": "json",
        **variables,
    }
    with log.open("ab") as lines:
        process = subprocess.Popen(
            [sys.executable, "-m", program, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=lines,
            stderr=lines,
        )
    running = Server(process, port, log)
    try:
        running.wait_ready(wait_for)
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=_START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
