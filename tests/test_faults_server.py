"""A server that is lost or hangs: the cycle ends with one clear error, and the next recovers."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from etl.sandbox.load import create_schema
from etl.sandbox.postgres import create_database, postgres_server
from olap.errors import SourceError, SourceSilentError
from olap.mapping import read_mapping
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.fix_proxy import Proxy, Then
from tests.world import World

pytestmark = pytest.mark.slow

STALL_SECONDS = 1
# Where the server must answer in this time before it is silent.
PATIENT_SECONDS = 3
ROWS = 12_000  # of about 95 bytes

NewProxy = Callable[[str], Proxy]


def fill(url: str) -> None:
    """Write more messages than the buffers of a connection hold."""
    with World(url) as world:
        world.execute(
            "insert into messages (id, conversation_id, sender_id, content, created_at)"
            " select gen_random_uuid(), '00000000-0000-0000-0000-000000000001', 1, 'hello',"
            "  '2026-03-01'::timestamptz - i * interval '10 seconds'"
            f" from generate_series(1, {ROWS}) i"
        )


@pytest.fixture
def far(pipeline: Pipeline, new_proxy: NewProxy) -> tuple[Pipeline, Proxy]:
    """A pipeline that reads through a proxy, with one generation published."""
    with World(pipeline.url) as world:
        world.message(1)
    proxy = new_proxy(pipeline.url)
    pipeline.url = proxy.url()
    pipeline.cycle()
    return pipeline, proxy


@contextmanager
def impatient(pipeline: Pipeline, seconds: int = STALL_SECONDS) -> Iterator[None]:
    """Shorten the time of silence after which a server is asked, during the block.

    Only the cycle that must meet a silence runs in it, so that a slow machine changes no other one.
    """
    settings = pipeline.settings
    pipeline.settings = replace(settings, stall_seconds=seconds)
    try:
        yield
    finally:
        pipeline.settings = settings


def require_recovery(pipeline: Pipeline, direct: str) -> None:
    """Require an unchanged last generation, and the whole source after the next cycle."""
    assert pipeline.manifest().generation == 1
    assert pipeline.generations() == [1]
    pipeline.url = direct
    pipeline.cycle()
    expected = contents.of_source(direct)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


@pytest.mark.parametrize("then", Then)
@pytest.mark.parametrize("limit", [0, 3_000, 900_000], ids="{:,} bytes".format)
def test_a_server_that_is_lost_after_some_of_the_rows_is_a_clear_error(
    far: tuple[Pipeline, Proxy], database: str, limit: int, then: Then
) -> None:
    """A connection cut or stalled after any number of bytes is a SourceError.

    Without any byte the connection itself fails, which the error reports. The next cycle recovers.
    """
    pipeline, proxy = far
    fill(database)
    proxy.after(limit, then)
    expected = SourceSilentError if then is Then.STALL and limit else SourceError
    # Before it has sent so much a slow machine may be silent for a second.
    seconds = PATIENT_SECONDS if limit > 3_000 else STALL_SECONDS
    with (
        impatient(pipeline, seconds) if then is Then.STALL else nullcontext(),
        pytest.raises(expected, match=r"cannot connect to|PostgreSQL failed") as caught,
    ):
        pipeline.cycle()
    assert proxy.has_tripped
    assert caught.value.hint
    require_recovery(pipeline, database)


@pytest.mark.parametrize("limit", [3_000, 900_000], ids=["an answer", "rows"])
def test_lost_packets_are_distinguished_from_a_long_query(
    far: tuple[Pipeline, Proxy], database: str, limit: int
) -> None:
    """A single stalled connection is detected, because the server reports that it has sent rows."""
    pipeline, proxy = far
    fill(database)
    proxy.after(limit, Then.STALL, spares_others=True)
    with (
        impatient(pipeline),
        pytest.raises(
            SourceSilentError, match=r"do not arrive|its session there is idle|cannot connect to"
        ),
    ):
        pipeline.cycle()
    require_recovery(pipeline, database)


@pytest.fixture
def slow_users(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the SELECT of the users call a function before its first row."""
    mapping = read_mapping("messenger")
    users = mapping.tables["users"]

    def slow(call: str) -> None:
        select = f"select * from ({users.select}) t where (select {call}) is not null"
        tables = {**mapping.tables, "users": replace(users, select=select)}
        slowed = replace(mapping, tables=tables)
        monkeypatch.setattr("etl.extract.read_mapping", lambda _: slowed)

    return slow


def test_a_long_query_at_work_is_waited_for(
    far: tuple[Pipeline, Proxy],
    database: str,
    slow_users: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A query that needs longer than the limit for its first row is not a hang.

    It waits for a lock until the cycle has reported that the server works.
    """
    pipeline, _ = far
    slow_users("pg_advisory_lock(1)")
    with World(database) as world:
        world.user(1)
        world.execute("select pg_advisory_lock(1)")
        reported: list[str] = []

        def report(event: str, **values: object) -> None:
            reported.append(event)
            world.execute("select pg_advisory_unlock(1)")

        monkeypatch.setattr("etl.watchdog.log.info", report)
        with impatient(pipeline, PATIENT_SECONDS):
            assert pipeline.cycle().manifest.tables["users"].rows == 1
    assert set(reported) == {"source.works"}


@pytest.fixture
def own_server() -> Iterator[tuple[str, int]]:
    """A server to stop: the URL of a database with the tables, and the postmaster's pid."""
    with (
        tempfile.TemporaryDirectory(prefix="test-pg-") as directory,
        postgres_server(Path(directory)) as server,
    ):
        url = create_database(server.url(), "messenger")
        with psycopg.connect(url) as connection:
            create_schema(connection)
        pid = int((Path(directory) / "data/postmaster.pid").read_text().split()[0])
        yield url, pid


@pytest.mark.slow
def test_a_stopped_server_with_open_sockets_is_an_error(
    own_server: tuple[str, int],
    new_pipeline: Callable[[str], Pipeline],
    slow_users: Callable[[str], None],
) -> None:
    """After SIGSTOP during a query no socket reports anything, and the cycle ends nevertheless."""
    url, postmaster = own_server
    pipeline = new_pipeline(url)
    pipeline.cycle()
    with World(url) as world:
        world.user(1)
    slow_users("pg_sleep(600)")
    stopped: list[int] = []
    stopper = threading.Thread(target=_stop_while_it_reads, args=(url, postmaster, stopped))
    stopper.start()
    try:
        with (
            impatient(pipeline, PATIENT_SECONDS),
            pytest.raises(SourceSilentError, match="second connection"),
        ):
            pipeline.cycle()
    finally:
        stopper.join()
        for pid in stopped:
            with suppress(ProcessLookupError):  # the session has ended
                os.kill(pid, signal.SIGCONT)
    assert pipeline.manifest().generation == 1
    slow_users("true")
    assert pipeline.cycle().manifest.tables["users"].rows == 1


def _stop_while_it_reads(url: str, postmaster: int, stopped: list[int]) -> None:
    """SIGSTOP every process of the server once a session sleeps in its query."""
    with psycopg.connect(url, autocommit=True) as observer:
        asleep = "select from pg_stat_activity where wait_event = 'PgSleep'"
        while observer.execute(asleep).fetchone() is None:
            time.sleep(0.02)
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for pid in (postmaster, *map(int, children)):
        with suppress(ProcessLookupError):  # one that has just ended
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
