"""A server that goes away or hangs: the cycle ends with one clear error, and the next one heals."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from etl.sandbox.load import create_schema
from etl.sandbox.server import create_database, postgres_server
from olap import sqlfiles
from olap.errors import SourceError, SourceSilentError
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.fix_proxy import Proxy, Then
from tests.world import World

STALL_SECONDS = 1
ROWS = 20_000  # of about 95 bytes

NewProxy = Callable[[str], Proxy]


def fill(url: str) -> None:
    """So many messages that their rows do not fit into the buffers on the way."""
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
    pipeline.settings = replace(pipeline.settings, stall_seconds=STALL_SECONDS)
    pipeline.cycle()
    return pipeline, proxy


def heals(pipeline: Pipeline, direct: str) -> None:
    """The last generation is as it was; the next cycle brings all that the source has."""
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
    """Cut or silent after any number of bytes: a SourceError in time, and the next cycle heals.

    Without any byte the connection itself is refused or silent, which is said as such.
    """
    pipeline, proxy = far
    fill(database)
    proxy.after(limit, then)
    expected = SourceSilentError if then is Then.STALL and limit else SourceError
    with pytest.raises(expected, match=r"cannot connect to|PostgreSQL failed") as caught:
        pipeline.cycle()
    assert proxy.has_tripped
    assert caught.value.hint
    heals(pipeline, database)


@pytest.mark.parametrize("limit", [3_000, 900_000], ids=["an answer", "rows"])
def test_what_is_lost_on_the_way_is_told_from_a_long_query(
    far: tuple[Pipeline, Proxy], database: str, limit: int
) -> None:
    """A proxy that lost this connection alone is found out: the server says it has sent."""
    pipeline, proxy = far
    fill(database)
    proxy.after(limit, Then.STALL, spares_others=True)
    with pytest.raises(
        SourceSilentError, match=r"do not arrive|its session there is idle|cannot connect to"
    ):
        pipeline.cycle()
    heals(pipeline, database)


@pytest.fixture
def slow_users(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the reading of the users take so many seconds before its first row."""
    text = sqlfiles.text

    def slow(seconds: int) -> None:
        def slowed(name: str) -> str:
            if name != "source/messenger/users":
                return text(name)
            return f"select * from ({text(name)}) t where (select pg_sleep({seconds})) is not null"

        monkeypatch.setattr("olap.sqlfiles.text", slowed)

    return slow


def test_a_long_query_at_work_is_waited_for(
    far: tuple[Pipeline, Proxy],
    database: str,
    slow_users: Callable[[int], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A query that needs far longer than the limit before its first row is no hang."""
    pipeline, _ = far
    pipeline.settings = replace(pipeline.settings, stall_seconds=1)
    with World(database) as world:
        world.user(1)
    slow_users(4)
    assert pipeline.cycle().manifest.tables["users"].rows == 1
    assert "source.works" in capsys.readouterr().out


@pytest.fixture
def own_server() -> Iterator[tuple[str, int]]:
    """A server that may be stopped: the URL of a database with the tables, the postmaster's pid."""
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
def test_a_stopped_server_whose_kernel_still_answers_is_given_up(
    own_server: tuple[str, int],
    new_pipeline: Callable[[str], Pipeline],
    slow_users: Callable[[int], None],
) -> None:
    """SIGSTOP in the middle of a query: no socket tells, and the cycle ends all the same."""
    url, postmaster = own_server
    pipeline = new_pipeline(url)
    pipeline.settings = replace(pipeline.settings, stall_seconds=1)
    pipeline.cycle()
    with World(url) as world:
        world.user(1)
    slow_users(30)
    stopped: list[int] = []
    stopper = threading.Thread(target=_stop_while_it_reads, args=(url, postmaster, stopped))
    stopper.start()
    try:
        with pytest.raises(SourceSilentError, match="second connection"):
            pipeline.cycle()
    finally:
        stopper.join()
        for pid in stopped:
            with suppress(ProcessLookupError):  # its connection was broken off
                os.kill(pid, signal.SIGCONT)
    assert pipeline.manifest().generation == 1
    slow_users(0)
    assert pipeline.cycle().manifest.tables["users"].rows == 1


def _stop_while_it_reads(url: str, postmaster: int, stopped: list[int]) -> None:
    """SIGSTOP the server, every process of it, once a session sleeps in its query."""
    with psycopg.connect(url, autocommit=True) as observer:
        asleep = "select from pg_stat_activity where wait_event = 'PgSleep'"
        while observer.execute(asleep).fetchone() is None:
            time.sleep(0.02)
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for pid in (postmaster, *map(int, children)):
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)
