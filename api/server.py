"""How the API is run: one process, or several workers that a supervisor keeps running.

    serve ─► Server                       one process
    serve ─► Supervisor ─► Server         in each worker, all on one listening socket

`Server` is uvicorn's, except that `api.listener` accepts its connections, and `api.connections`
bounds them. uvicorn's
own supervisor is not used: it always runs uvicorn's own server in its workers, and they outlive it
when it is killed.

A worker ends when its supervisor does, however that ends. The supervisor alone holds one end of a
pipe, and the system closes it with the process; a thread of the worker waits for this. It holds on
every system, and also for a worker whose supervisor ended while the worker was starting. Through a
second pipe each worker sends a beat every second from its event loop; one that is silent for a
minute is killed, and a worker that has ended is replaced.

A stop waits for answers that are not complete, and a stream never is. So the signal lets all of
them go (`api.live`), before uvicorn waits for anything.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.importer import import_from_string

from api.connections import Connections
from api.engine import Engine
from api.listener import Listener
from api.live.service import Live
from api.live.socket import FRAME_BYTES_MAX
from api.protocol import HEAD_BYTES_MAX, HttpProtocol
from olap.errors import SettingsError
from olap.log import get_logger

log = get_logger(__name__)

CONNECTIONS = 1000
# What a worker has open besides its connections: DuckDB's files, Redis, PostgreSQL, the log.
OTHER_FILES = 96
_GRACE_SECONDS = 15
# How long the client of a stream has, at a stop, to read what was sent.
_STREAM_GRACE_SECONDS = 1.0
_KILL_SECONDS = _GRACE_SECONDS + 5.0
_BEAT_SECONDS = 1.0
_SILENT_SECONDS = 60.0
_START_SECONDS = 300.0
_WATCH_SECONDS = 0.5
_RETRY_SECONDS = 1.0
# Of macOS, where the limit of open files may be infinite and yet no larger one can be set.
_OPEN_MAX = 10_240


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a process needs to serve.

    Attributes:
        factory: `module:function`; the function returns the application.
        connections: how many connections one process has at most.
    """

    factory: str
    connections: int


def serve(
    factory: str,
    *,
    port: int,
    host: str = "127.0.0.1",
    workers: int = 1,
    connections: int = CONNECTIONS,
) -> None:
    """Serve the application that `module:function` returns, until SIGINT or SIGTERM.

    Args:
        workers: the number of processes.
        connections: how many connections each of them has at most.

    Raises:
        SettingsError: it cannot listen on this host and port.
        SystemExit: the application did not start.
    """
    raise_file_limit()
    options = Options(factory=factory, connections=connections)
    listening = _bind(host, port)
    log.info("api.listens", host=host, port=listening.getsockname()[1], workers=workers)
    started = (
        _run(options, listening) if workers == 1 else Supervisor(options, listening, workers).run()
    )
    if not started:
        sys.exit(STARTUP_FAILURE)


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, _OPEN_MAX):
        if wanted != resource.RLIM_INFINITY and wanted <= soft != resource.RLIM_INFINITY:
            return
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


def possible_connections(wanted: int) -> int:
    """How many connections the limit of open files leaves room for, at most `wanted`."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY or files - OTHER_FILES >= wanted:
        return wanted
    possible = max(1, files - OTHER_FILES)
    log.warning(
        "connections.fewer_than_set",
        connections=possible,
        api_connections=wanted,
        hint="Raise the hard limit of open files (`ulimit -Hn`, LimitNOFILE in systemd).",
    )
    return possible


class _SignalHandler:
    """Handles SIGINT and SIGTERM around uvicorn.

    Before uvicorn handles them, a signal ends the process. Afterwards it does nothing: uvicorn
    raises the signal again after an orderly stop, and the exit code would make a service that was
    stopped look like one that failed.
    """

    def __init__(self) -> None:
        self.is_relieved = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, *_: object) -> None:
        if not self.is_relieved:
            sys.exit(0)


class Server(uvicorn.Server):
    """uvicorn's server with bounded connections."""

    def __init__(
        self,
        config: uvicorn.Config,
        connections: Connections,
        live: Live,
        engine: Engine | None,
        beat: Callable[[], None],
        handler: _SignalHandler,
    ) -> None:
        super().__init__(config)
        self._handler = handler
        self._connections = connections
        self._live = live
        self._engine = engine
        self._beat = beat
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Within the block uvicorn handles the signals; at its end it raises them again."""
        with super().capture_signals():
            self._handler.is_relieved = True
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called at a signal, between any two lines: stop, and let the streams and engine go."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._live.close)
            if self._engine is not None:
                self._loop.call_soon_threadsafe(self._engine.close)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn: wait for the answers that are not complete, and end."""
        asyncio.get_running_loop().call_later(
            _STREAM_GRACE_SECONDS, self._connections.cut_off_streams
        )
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections."""
        self._loop = asyncio.get_running_loop()
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self._beat()  # before any client can get an answer
        self.servers = [self._listener(one) for one in sockets or ()]  # type: ignore[misc]
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second: check the connections once a second."""
        if counter % round(10 * _BEAT_SECONDS) == 0:
            self._connections.check(asyncio.get_running_loop().time())
            self._beat()
        return await super().on_tick(counter)

    def _listener(self, listening: socket.socket) -> Listener:
        def make_protocol(accepted: socket.socket) -> HttpProtocol:
            return HttpProtocol(
                self._connections,
                accepted,
                self.config,
                self.server_state,
                self.lifespan.state,
                self._live.socket_paths,
            )

        return Listener(listening, self.config.backlog, self._connections, make_protocol)


def _run(
    options: Options, listening: socket.socket, beat: Callable[[], None] = lambda: None
) -> bool:
    """Serve in this process until a signal; whether the application has started."""
    handler = _SignalHandler()
    app = import_from_string(options.factory)()
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=HttpProtocol,
        ws="none",  # `HttpProtocol` knows by itself what becomes a WebSocket
        ws_max_size=FRAME_BYTES_MAX,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
    )
    config.load()
    connections = Connections(possible_connections(options.connections))
    state = app.state
    server = Server(config, connections, state.live, state.engine, beat, handler)
    server.run([listening])
    return server.started


def _bind(host: str, port: int) -> socket.socket:
    """A socket that does not listen yet: until the application has started, clients are refused."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}, port {port}: {error.strerror}",
            hint="Give another --host or --port, or stop the program that uses this one.",
        ) from error
    return bound


class Supervisor:
    """Keeps a number of workers running until SIGINT or SIGTERM."""

    def __init__(self, options: Options, listening: socket.socket, workers: int) -> None:
        self._options = options
        self._listening = listening
        self._count = workers
        self._workers: list[_Worker] = []
        self._is_stopping = False
        self._has_started = False

    def run(self) -> bool:
        """Run until a signal; whether the application has started."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        try:
            self._workers = [self._new_worker() for _ in range(self._count)]
            while not self._is_stopping:
                if not self._watch():
                    return False
        finally:
            self._end_all()
        return True

    def _stop(self, *_: object) -> None:
        self._is_stopping = True

    def _new_worker(self) -> _Worker:
        return _Worker(self._options, self._listening)

    def _watch(self) -> bool:
        """Replace what has ended; False if the application does not start."""
        wait([worker.process.sentinel for worker in self._workers], timeout=_WATCH_SECONDS)
        for worker in self._workers:
            worker.receive_beats()
        # Of all of them, before one that ended while it was starting is judged.
        self._has_started |= any(worker.has_started for worker in self._workers)
        for place, worker in enumerate(self._workers):
            if worker.is_silent:
                log.error("worker.silent", pid=worker.process.pid, seconds=_SILENT_SECONDS)
                worker.process.kill()
                worker.process.join()
            if self._is_stopping or worker.process.is_alive():
                continue
            log.error("worker.ended", pid=worker.process.pid, exit_code=worker.process.exitcode)
            worker.close()
            if not worker.has_started:
                if not self._has_started:
                    return False
                time.sleep(_RETRY_SECONDS)
            self._workers[place] = self._new_worker()
        return True

    def _end_all(self) -> None:
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
        deadline = time.monotonic() + _KILL_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                log.error("worker.killed", pid=worker.process.pid)
                worker.process.kill()
                worker.process.join()
            worker.close()


class _Worker:
    """A worker as its supervisor sees it.

    Attributes:
        has_started: whether it has accepted connections.
    """

    def __init__(self, options: Options, listening: socket.socket) -> None:
        context = multiprocessing.get_context("spawn")
        # Only the supervisor has the writing end of the one and the reading end of the other.
        lives, self._life = context.Pipe(duplex=False)
        self._beats, beat = context.Pipe(duplex=False)
        self.process: SpawnProcess = context.Process(
            target=_work, args=(options, listening, lives, beat), name="worker"
        )
        self.process.start()
        lives.close()
        beat.close()
        self._silent_at = time.monotonic() + _START_SECONDS
        self.has_started = False

    @property
    def is_silent(self) -> bool:
        """Whether its event loop has not turned for a minute."""
        return time.monotonic() > self._silent_at

    def receive_beats(self) -> None:
        """Note that it lives, if it has sent a beat."""
        with suppress(EOFError, OSError):
            while self._beats.poll():
                self._beats.recv_bytes()
                self._silent_at = time.monotonic() + _SILENT_SECONDS
                self.has_started = True

    def close(self) -> None:
        """Release the pipes of a worker that has ended."""
        self._life.close()
        self._beats.close()


def _work(options: Options, listening: socket.socket, lives: Connection, beats: Connection) -> None:
    """The whole life of a worker."""
    threading.Thread(target=_end_with_supervisor, args=(lives,), daemon=True).start()

    def beat() -> None:
        with suppress(OSError):  # the supervisor has ended, and so will this worker
            beats.send_bytes(b".")

    if not _run(options, listening, beat):
        sys.exit(STARTUP_FAILURE)


def _end_with_supervisor(lives: Connection) -> None:
    with suppress(EOFError, OSError):
        lives.recv_bytes()  # nothing is ever sent
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_KILL_SECONDS)
    os._exit(1)
