"""How the API is run: its workers and their supervisor, its address, and the path of a proxy."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import PREFIX
from api.auth import Role
from api.protocol import head_of
from tests.api.servers import ROOT, Server, command_of, free_port, server, workers_of
from tests.api.test_slow_clients import connections, received, wait_for
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline
from tests.tokens import SECRET

pytestmark = pytest.mark.slow


def environment_of(pipeline: Pipeline, **variables: str) -> dict[str, str]:
    """The environment of a command on a pipeline's DATA_DIR."""
    return {
        **os.environ,
        "DATA_DIR": str(pipeline.layout.root),
        "DATABASE_URL": pipeline.url,
        "JWT_SECRET": SECRET,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        **variables,
    }


def get(running: Server, path: str) -> httpx.Response:
    """GET as an administrator."""
    given = {"Authorization": f"Bearer {token(Role.ADMIN, 'boss')}"}
    return httpx.get(running.url + path, headers=given, timeout=300)


def both_workers_of(pid: int) -> list[int]:
    """The process ids of the two workers of a supervisor, once it has both."""
    return found if len(found := workers_of(pid)) == 2 else []


def test_a_killed_supervisor_leaves_no_worker(small_site: Pipeline, tmp_path: Path) -> None:
    """After SIGKILL of the supervisor its workers end in order, and their port is free."""
    with server(
        small_site.layout.root, tmp_path / "log", "--workers", "2", TMPDIR=str(tmp_path)
    ) as running:
        workers = wait_for(lambda: both_workers_of(running.process.pid))
        wait_for(lambda: len(list(tmp_path.glob("analytics-api-*"))) == 2)
        running.process.kill()
        running.process.wait()
        wait_for(lambda: not any(map(command_of, workers)))
        assert list(tmp_path.glob("analytics-api-*")) == []
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", running.port))


def test_a_worker_that_is_still_starting_ends_with_its_supervisor(small_site: Pipeline) -> None:
    """SIGKILL of the supervisor as soon as its workers exist, which have run no line of ours."""
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "api", "--port", str(free_port()), "--workers", "2"],
        cwd=ROOT,
        env=environment_of(small_site),
        stderr=subprocess.DEVNULL,
    )
    workers = wait_for(lambda: both_workers_of(supervisor.pid))
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: not any(map(command_of, workers)))


def test_a_silent_worker_is_replaced(small_site: Pipeline, tmp_path: Path) -> None:
    """A worker whose event loop does not turn is killed, and another one takes its place."""
    log = tmp_path / "log"
    with server(small_site.layout.root, log, program="tests.api.impatient_supervisor") as running:
        # One that is starting may be silent for longer.
        wait_for(lambda: log.read_text().count("has started") == 2)
        first = workers_of(running.process.pid)
        os.kill(first[0], signal.SIGSTOP)
        wait_for(lambda: first[0] not in workers_of(running.process.pid))
        wait_for(lambda: len(workers_of(running.process.pid)) == 2)
        assert "worker.silent" in log.read_text()
        running.wait_ready()
        assert running.stop() == 0


def has_imported(pid: int) -> bool:
    """Whether a worker has begun to import the application."""
    try:
        return "duckdb" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:  # it has ended
        return False


def has_ended(pid: int) -> bool:
    """Whether all threads of a process have ended, so that its parent learns it when it asks."""
    process = Path(f"/proc/{pid}")
    state = (process / "stat").read_text().rpartition(") ")[2][0]
    return state == "Z" and len(list((process / "task").iterdir())) == 1


def test_a_worker_killed_while_it_starts_is_replaced(small_site: Pipeline, tmp_path: Path) -> None:
    """A worker that is killed before it has started, as soon as the other one serves, is replaced;
    it is not taken for an application that cannot start."""
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as lines:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "api", "--port", str(port), "--workers", "2"],
            cwd=ROOT,
            env=environment_of(small_site),
            stdout=lines,
            stderr=lines,
        )
    running = Server(supervisor, port, log)
    try:
        # What a worker is to do is written to it by its supervisor: both have read it by then.
        wait_for(lambda: sum(map(has_imported, workers_of(supervisor.pid))) == 2)
        first = workers_of(supervisor.pid)[0]
        # The supervisor learns both at once: the second has started, and the first has ended.
        os.kill(supervisor.pid, signal.SIGSTOP)
        os.kill(first, signal.SIGSTOP)
        running.wait_ready()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: has_ended(first))
        os.kill(supervisor.pid, signal.SIGCONT)
        # The one in its place is told to stop while it starts, and does not wait to be killed.
        wait_for(lambda: first not in (found := workers_of(supervisor.pid)) and len(found) == 2)
        assert running.stop() == 0
    finally:
        if supervisor.poll() is None:
            for pid in (*workers_of(supervisor.pid), supervisor.pid):
                os.kill(pid, signal.SIGKILL)
            supervisor.wait()
    assert "worker.killed" not in log.read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_application_that_does_not_start_ends_the_process(
    small_site: Pipeline, workers: str
) -> None:
    """Where the application cannot start, the process ends with a code that is not 0, and does not
    try for ever."""
    serving = f"serve('tests.api.no_such_app:app', port=0, workers={workers})"
    ended = subprocess.run(
        [sys.executable, "-c", f"from api.server import serve; {serving}"],
        cwd=ROOT,
        env=environment_of(small_site),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode != 0
    assert "no_such_app" in ended.stderr


def test_a_port_that_is_taken_is_an_error_with_a_hint(small_site: Pipeline) -> None:
    """The error names host and port, and the exit code is 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "api", "--port", port],
            cwd=ROOT,
            env=environment_of(small_site),
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert ended.returncode == 2
    assert f"error: cannot listen on 127.0.0.1, port {port}: Address already in use" in ended.stderr
    assert "--port" in ended.stderr


@pytest.fixture(scope="module")
def below_chat(small_site: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API below /chat, by the setting."""
    log = tmp_path_factory.mktemp("below_chat") / "log"
    with server(small_site.layout.root, log, ROOT_PATH="/chat/") as running:
        yield running


@pytest.mark.parametrize("kept", ["", "/chat"], ids=["stripped", "kept"])
def test_a_proxy_may_keep_or_strip_the_root_path(below_chat: Server, kept: str) -> None:
    """Below ROOT_PATH every path answers with and without it: endpoints, ids with slashes, health,
    metrics, the page and its document, which names the server's path."""
    assert get(below_chat, f"{kept}{PREFIX}/engagement").status_code == 200
    assert get(below_chat, f"{kept}{PREFIX}/engagement").headers["x-cache"] == "hit"
    assert get(below_chat, f"{kept}{PREFIX}/user/a%2Fb").json()["detail"]
    assert get(below_chat, f"{kept}/health/live").status_code == 200
    assert get(below_chat, f"{kept}/metrics").status_code == 200
    assert get(below_chat, f"{kept}/nothing").status_code == 404
    page = get(below_chat, f"{kept}/docs")
    assert page.status_code == 200 and 'href="/chat/docs/openapi.json"' in page.text
    document = get(below_chat, f"{kept}/docs/openapi.json").json()
    assert document["servers"] == [{"url": "/chat"}]


def test_a_root_path_may_begin_like_a_route(small_site: Pipeline, tmp_path: Path) -> None:
    """Below `--root-path /api` the path `/api/v1/…` is a route, and `/api/api/v1/…` is the same."""
    with server(small_site.layout.root, tmp_path / "log", "--root-path", "/api") as running:
        for path in (f"{PREFIX}/engagement", f"/api{PREFIX}/engagement", "/api/docs", "/docs"):
            assert get(running, path).status_code == 200
        assert get(running, "/api/v1/nothing").status_code == 404


def test_without_docstrings_and_assertions(small_site: Pipeline, tmp_path: Path) -> None:
    """With PYTHONOPTIMIZE=2 the API answers, a cycle runs, and each command and help text works."""
    environment = environment_of(
        small_site, PYTHONOPTIMIZE="2", DATA_DIR=str(tmp_path / "data"), LOG_FORMAT="json"
    )

    def run(*arguments: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert "Generation 1" in run("etl", "run")
    assert "Generation 2" in run("etl", "publish")
    run("etl", "verify")
    run("olap", "check")
    for program in ("etl", "api", "olap"):
        assert "Usage:" in run(program, "--help")
    bearer = run("api", "token", "--sub", "7", "--role", "admin").strip()
    with server(
        tmp_path / "data", tmp_path / "log", "--workers", "2", PYTHONOPTIMIZE="2"
    ) as running:
        given = {"Authorization": f"Bearer {bearer}"}
        for path in (
            f"{PREFIX}/dashboard",
            f"{PREFIX}/top-senders?format=csv",
            "/docs/openapi.json",
        ):
            found = httpx.get(running.url + path, headers=given, timeout=300)
            assert found.status_code == 200, found.text
        refused = httpx.get(f"{running.url}{PREFIX}/dashboard?days=0", headers=given)
        assert refused.status_code == 400 and refused.json()["parameter"] == "days"
        assert running.stop() == 0


def test_an_answer_is_the_same_however_it_is_written(small_server: Server) -> None:
    """Answers written at once are those that h11 writes when the connection ends, for each status,
    and for pipelined requests; only Connection and what names the request differ."""
    bearer = f"Authorization: Bearer {token(Role.ADMIN, 'boss')}\r\nX-Request-ID: one\r\n"
    paths = (f"{PREFIX}/dashboard", "/docs", f"{PREFIX}/nothing", f"{PREFIX}/dashboard?days=0")
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n{bearer}" for path in paths]
    requests.append(f"{requests[0]}If-None-Match: *\r\n")
    for request in requests:
        httpx.get(f"{small_server.url}{request.split()[1]}", timeout=300)
        whole = f"{request}\r\n{request}Connection: close\r\n\r\n".encode()
        with connections(small_server, 1, whole) as (one,):
            answers = received(one)
        assert answers.count(b"HTTP/1.1 ") == 2
        at_once, by_h11 = (b"HTTP/1.1 " + part for part in answers.split(b"HTTP/1.1 ")[1:])
        assert comparable(at_once) == comparable(by_h11)
        assert b"connection: close" in by_h11.lower() and b"connection:" not in at_once.lower()


def comparable(answer: bytes) -> tuple[set[bytes], bytes]:
    """The lines of a head, without those that differ between two requests, and the body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    varying = (b"connection", b"date", b"ratelimit", b"x-cache")
    lines = (line.lower() for line in head.split(b"\r\n"))
    return {line for line in lines if not line.startswith(varying)}, body


def test_a_header_cannot_be_injected() -> None:
    """A value with a line break, a name that is none, and a wrong length are left to h11."""
    length = (b"content-length", b"2")
    assert head_of(200, [length, (b"etag", b'"x"')], 2) == (
        b'HTTP/1.1 200 OK\r\ncontent-length: 2\r\netag: "x"\r\n\r\n'
    )
    assert head_of(304, [(b"etag", b'"x"')], 0) == b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n'
    for headers in (
        [length, (b"x", b"a\r\nset-cookie: b")],
        [length, (b"x", b"a\nb")],
        [length, (b"x: y\r\nz", b"a")],
        [length, (b"", b"a")],
        [length, length],
        [(b"content-length", b"3")],
        [length, (b"connection", b"close")],
        [length, (b"transfer-encoding", b"chunked")],
        [],
    ):
        assert head_of(200, headers, 2) is None, headers


def test_the_soft_limit_of_files_is_raised() -> None:
    """A process that serves may open as many files as the hard limit lets it."""
    code = (
        "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (64, 512));"
        "from api.server import raise_file_limit; raise_file_limit();"
        "print(*r.getrlimit(r.RLIMIT_NOFILE))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == "512 512\n"
