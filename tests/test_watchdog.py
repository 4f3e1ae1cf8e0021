"""A call that does not return is abandoned, and commands end or continue as after other errors."""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc_postgresql
import psycopg
import pytest

from etl import __main__ as command_line
from etl.watchdog import Watchdog, abandoned_calls, with_time_limits
from olap.secret import Secret
from tests.fix_proxy import Proxy, Then
from tests.test_cli import environment, read_until, started
from tests.world import World

pytestmark = pytest.mark.slow

WAITING = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = %s"


@pytest.fixture
def proxy(database: str, new_proxy: Callable[[str], Proxy]) -> Proxy:
    """A proxy in front of a database with one message."""
    with World(database) as world:
        world.message(1)
    return new_proxy(database)


@pytest.fixture
def variables(proxy: Proxy, tmp_path: Path) -> dict[str, str]:
    """The settings of a command that reads through the proxy, with a limit of one second."""
    return environment(tmp_path, proxy.url()) | {"ETL_STALL_SECONDS": "1"}


@contextmanager
def locked(url: str, statement: bytes) -> Iterator[psycopg.Connection]:
    """Hold the lock that `statement` takes during the block."""
    with psycopg.connect(url) as holder:
        holder.execute(statement)
        yield holder


def until(url: str, query: str, *, finds: bool) -> None:
    """Wait until the query finds a row, or none."""
    with psycopg.connect(url, autocommit=True) as observer:
        name = observer.info.dbname
        while (observer.execute(query.encode(), [name]).fetchone() is not None) is not finds:
            time.sleep(0.02)


def test_an_abandoned_call_that_returns_closes_its_connection(database: str) -> None:
    """After the silence no call is pending here and no session remains at the server."""
    before, conninfo = abandoned_calls(), with_time_limits(Secret(database), 60)
    watchdog = Watchdog(conninfo, 60)
    connection = watchdog.connect(lambda: adbc_postgresql.connect(conninfo, autocommit=True))
    cursor = connection.cursor()
    with locked(database, b"select pg_advisory_xact_lock(7)"):
        with pytest.raises(TimeoutError, match="nothing came for"):
            watchdog.call(lambda: cursor.execute("select pg_advisory_lock(7)"), at_most=0.1)
        assert abandoned_calls() == before + 1
        until(database, WAITING, finds=True)
        with pytest.raises(TimeoutError):
            watchdog.call(cursor.close)
    until(database, "select from pg_locks, pg_database d where locktype = 'advisory'"
          " and database = d.oid and datname = %s", finds=False)  # fmt: skip
    while abandoned_calls() > before:
        time.sleep(0.02)


def test_a_slow_line_is_not_a_lost_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call goes on as long as the server reports more rows sent each time it is asked."""
    sent, is_done = itertools.count(), threading.Event()

    def session(*_: object) -> tuple[str, str, int]:
        rows = next(sent)
        if rows == 5:
            is_done.set()
        return "active", "ClientWrite", rows

    monkeypatch.setattr("etl.watchdog._session", session)
    assert Watchdog("", 0.01).call(is_done.wait)


def test_a_line_that_delivers_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is abandoned when the server reports the same number of rows sent twice."""
    monkeypatch.setattr("etl.watchdog._session", lambda *_: ("active", "ClientWrite", 7))
    is_over = threading.Event()
    with pytest.raises(TimeoutError, match="do not arrive"):
        Watchdog("", 0.01).call(lambda: is_over.wait(300))
    is_over.set()


def test_a_command_ends_with_the_error_although_a_call_never_returns(
    variables: dict[str, str], proxy: Proxy
) -> None:
    """`run` prints the reason and what to do, and exits with 1."""
    proxy.after(3_000, Then.STALL)
    with started("run", env=variables) as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "nothing came for" in output and "ETL_STALL_SECONDS" in output


def test_run_every_continues_in_a_new_process_image(
    variables: dict[str, str], proxy: Proxy
) -> None:
    """The cycle after a silence runs under the same process id, without the dead connection."""
    with started("run", "--every", "1", env=variables) as process:
        read_until(process.stdout, "generation 1:")
        proxy.after(3_000, Then.STALL)
        read_until(process.stdout, "nothing came for")
        proxy.restore()
        read_until(process.stdout, "process.replaced")
        read_until(process.stdout, "generation 1:")
        assert process.poll() is None
        assert any(not _sockets(process) for _ in _moments())  # between two cycles


def _sockets(process: subprocess.Popen[str]) -> set[str]:
    found = set()
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(link.readlink()))
    return {target for target in found if target.startswith("socket:")}


def _moments() -> Iterator[int]:
    """A few thousand moments, a little apart."""
    for number in range(3000):
        yield number
        time.sleep(0.02)


def test_a_finished_full_read_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new process is started as the old one was, and gets `--full` and `--yes` only while the
    full read is still pending."""
    given = ["etl", "--every", "5", "--full", "--yes"]
    script = "bin/messenger-analytics"
    monkeypatch.setattr("sys.orig_argv", ["python", "-X", "utf8", script, *given])
    monkeypatch.setattr("sys.argv", [script, *given])
    started: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, arguments: started.append(arguments[1:]))
    for is_full, may_remove in ((True, True), (True, False), (False, False)):
        command_line._replace_process(5, is_full=is_full, may_remove=may_remove)
    every = ["--every", "5"]
    program = ["-X", "utf8", script, "etl"]
    assert started == [
        [*program, *every, "--full", "--yes"],
        [*program, *every, "--full"],
        [*program, *every],
    ]


def test_ctrl_c_does_not_wait_for_the_server(variables: dict[str, str], database: str) -> None:
    """A command that waits for a lock stops with 130 although the server sends nothing."""
    patient = {"ETL_LOCK_TIMEOUT_SECONDS": "3600", "ETL_STALL_SECONDS": "3600"}
    with (
        locked(database, b"lock table users in access exclusive mode"),
        started("run", env=variables | patient) as run,
    ):
        until(database, WAITING, finds=True)
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=600)
    assert run.returncode == 130, output
    assert output.rstrip().endswith("stopped")
