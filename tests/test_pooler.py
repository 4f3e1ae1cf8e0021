"""Through a pooler everything is read; what it or the server refuses is named with its setting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from uuid import UUID

import adbc_driver_postgresql.dbapi as adbc_postgresql
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import etl.backfill
from etl.source import open_source
from etl.survey import replica_lag_bytes
from etl.watchdog import with_time_limits
from olap.errors import SourceError
from olap.manifest import Mode
from olap.mapping import read_mapping
from olap.secret import Secret
from olap.settings import Settings
from tests import contents
from tests.feed.follower import Follower
from tests.fix_pipeline import Pipeline
from tests.fix_pooler import Pooler, PoolMode
from tests.fix_postgres import READER_PASSWORD
from tests.world import World, at

MESSENGER = read_mapping("messenger")


@pytest.fixture
def world(database: str) -> Iterator[World]:
    """A few messages on a few days."""
    with World(database) as world:
        for user in (1, 2):
            world.user(user)
        world.conversation(1)
        for number in range(200):
            world.message(number, created_at=at(hours=-number), content="word " * 40)
            world.receipt(number, read_at=at(minutes=number))
            world.event(number, created_at=at(hours=-number))
        yield world


def require_equal(pipeline: Pipeline, url: str) -> None:
    """The generation has the rows of the source."""
    found = contents.of_views(pipeline.published)
    assert contents.differences(found, contents.of_source(url)) == {}


def refused(pipeline: Pipeline) -> SourceError:
    """The error of a cycle that must fail."""
    with pytest.raises(SourceError) as caught:
        pipeline.cycle()
    return caught.value


@pytest.mark.slow
@pytest.mark.parametrize("mode", PoolMode)
def test_everything_is_read_through_a_pooler(
    mode: PoolMode,
    pipeline: Pipeline,
    world: World,
    new_pooler: Callable[..., Pooler],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A backfill with several readers, cycles and a verification; no session keeps a setting."""
    monkeypatch.setattr(etl.backfill, "RANGE_BLOCKS", 2)
    database, jobs = pipeline.url, 3
    pooler = new_pooler(database, mode, jobs + 2)
    pipeline.url = pooler.url()
    report = pipeline.backfill(jobs=jobs, pause_above_lag_mb=1)
    assert report.progress.blocks_done > 10
    require_equal(pipeline, database)
    world.message(1, content="edited")
    world.message(1000)
    pipeline.cycle()
    require_equal(pipeline, database)
    assert pipeline.verify().reconciled.differences == ()
    assert pooler.loans > 10
    assert pooler.left_behind == set()


@pytest.mark.parametrize("mode", [Mode.SLOT, Mode.LOG])
def test_a_feed_is_read_through_a_pooler(
    mode: Mode, new_follower: Callable[[Mode], Follower], new_pooler: Callable[..., Pooler]
) -> None:
    """In transaction mode a slot or a log is made, read and moved on; no setting is left."""
    follower = new_follower(mode)
    database = follower.url
    pooler = new_pooler(database)
    follower.url = pooler.url()
    with World(database) as world:
        for number in range(3):
            world.message(number)
            reading = follower.read()
            assert reading.changes is not None, reading.reason
            assert reading.changes["messages"].keys == {(str(UUID(int=number)),)}
    assert pooler.left_behind == set()


def test_the_pooler_gives_each_transaction_another_session(
    database: str, new_pooler: Callable[..., Pooler]
) -> None:
    """The pooler of these tests loses settings and prepared statements, and reports what stays."""
    pooler = new_pooler(database)
    with psycopg.connect(pooler.url(), autocommit=True, prepare_threshold=None) as connection:
        connection.execute("set lock_timeout = 7")
        shown = [connection.execute("show lock_timeout").fetchone() for _ in range(6)]
    assert shown.count(("0",)) == 5
    assert pooler.left_behind == {"lock_timeout"}
    conninfo = with_time_limits(Secret(pooler.url()), 60)
    with (
        adbc_postgresql.connect(conninfo, autocommit=True) as driver,
        driver.cursor() as cursor,
        pytest.raises(adbc_postgresql.ProgrammingError, match="unnamed prepared statement"),
    ):
        cursor.execute("select 1")


def test_a_long_query_through_a_pooler_is_waited_for(
    database: str, new_pooler: Callable[..., Pooler]
) -> None:
    """The watchdog asks on a second connection, in another session, and finds ours at work."""
    url = Secret(new_pooler(database).url())
    with open_source(url, Settings(stall_seconds=3), MESSENGER) as source:
        rows = source._ask("a long query", "select 1 as number, pg_sleep(7)::text as pause")
    assert rows == [{"number": 1, "pause": ""}]


def test_the_lag_of_replicas_is_asked_through_a_pooler(
    database: str, new_pooler: Callable[..., Pooler]
) -> None:
    """There is no replica, and the answer comes from one session."""
    assert replica_lag_bytes(Secret(new_pooler(database).url())) is None


def test_a_pool_that_is_too_small_is_named(
    pipeline: Pipeline, world: World, new_pooler: Callable[..., Pooler]
) -> None:
    """One connection holds the snapshot, so the readers get none: the error names the pool."""
    pooler = new_pooler(pipeline.url, size=1)
    pooler.wait_seconds = 0.2
    pipeline.url = pooler.url()
    with pytest.raises(SourceError, match="query_wait_timeout") as caught:
        pipeline.backfill(jobs=2)
    assert "pool of two connections more than there are readers" in caught.value.hint


REFUSALS = [
    ("28000", 'no pg_hba.conf entry for host "::1", user "u", database "d", no encryption',
     "sslmode=require"),
    ("28000", 'no pg_hba.conf entry for host "::1", user "u", database "d", SSL encryption',
     "sslmode=disable"),
    ("28000", 'pg_hba.conf rejects connection for host "::1", user "u", no encryption',
     "sslmode=require"),
    ("08P01", "SSL required", "sslmode=require"),
    ("08P01", "no more connections allowed (max_client_conn)", "max_client_conn"),
    ("28P01", 'password authentication failed for user "u"', "user and password"),
    ("28000", 'role "u" does not exist', "user and password"),
    ("3D000", 'database "d" does not exist', "database name"),
    ("08P01", "no such database: d", "database name"),
    ("08P01", "transaction blocks not allowed in statement pooling mode", "pool_mode"),
    ("53300", 'too many connections for role "u"', "CONNECTION LIMIT"),
    ("57P01", "terminating connection due to administrator command", "stopped"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "text", "hint"), REFUSALS)
def test_a_refused_connection_names_the_setting(
    pipeline: Pipeline, new_pooler: Callable[..., Pooler], state: str, text: str, hint: str
) -> None:
    """What the server or a pooler says at the start leads to the word to write or to change."""
    pooler = new_pooler(pipeline.url)
    pooler.refusal = (state, text)
    pipeline.url = pooler.url()
    error = refused(pipeline)
    assert text in error.message and hint in error.hint


def test_a_server_without_ssl_is_named(
    pipeline: Pipeline, new_pooler: Callable[..., Pooler]
) -> None:
    """With sslmode=require the error says what to write instead."""
    pipeline.url = new_pooler(pipeline.url).url(sslmode="require")
    error = refused(pipeline)
    assert "does not support SSL" in error.message
    assert "sslmode=disable" in error.hint and "user and password" not in error.hint


def test_a_parameter_that_a_pooler_refuses_is_named(
    pipeline: Pipeline, new_pooler: Callable[..., Pooler]
) -> None:
    """`options` in DATABASE_URL is refused by PgBouncer; the hint says where else to set it."""
    pipeline.url = new_pooler(pipeline.url).url(options="-csearch_path%3Dpublic")
    error = refused(pipeline)
    assert "unsupported startup parameter: options" in error.message
    assert "alter role" in error.hint


def test_revoked_functions_are_named(pipeline: Pipeline, reader: str) -> None:
    """The error names the grant, and not the tables, which the role may read."""
    with psycopg.connect(pipeline.url, autocommit=True) as owner:
        owner.execute("revoke execute on function pg_control_system() from public")
        owner.execute("revoke execute on function pg_control_checkpoint() from public")
        pipeline.url = make_conninfo(pipeline.url, user=reader, password=READER_PASSWORD)
        error = refused(pipeline)
        assert "permission denied for function pg_control" in error.message
        statement = "grant execute on function pg_control_system(), pg_control_checkpoint()"
        assert statement in error.hint
        owner.execute(f"{statement} to {reader}".encode())
        assert pipeline.cycle().manifest.generation == 1


LIMITS = {"transaction_timeout", "idle_in_transaction_session_timeout"}


def limited(url: str, reader: str) -> Secret:
    """The URL of a role whose sessions end after two seconds of a transaction or of waiting."""
    with psycopg.connect(url, autocommit=True) as owner:
        if owner.info.server_version < 170000:
            pytest.skip("transaction_timeout is new in PostgreSQL 17")
        for limit in LIMITS:
            owner.execute(f"alter role {reader} set {limit} = '2s'".encode())
    return Secret(make_conninfo(url, user=reader, password=READER_PASSWORD))


def test_limits_to_a_transaction_are_lifted(database: str, world: World, reader: str) -> None:
    """A transaction outlives the role's limits, at work and while we process its rows."""
    with open_source(limited(database, reader), Settings(), MESSENGER) as source:
        source._ask("a long query", "select pg_sleep(1.5)::text as pause")
        time.sleep(2.1)
        rows = source._ask("the rows", "select count(*) as rows from messages")
    assert rows == [{"rows": 200}]


def test_a_limit_that_ends_the_transaction_is_named(
    pipeline: Pipeline, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the limit applies nevertheless, the error names it."""
    url = limited(pipeline.url, reader)
    monkeypatch.setattr("etl.source._time_limits", lambda _: [])
    with (
        pytest.raises(SourceError, match="transaction timeout") as caught,
        open_source(url, Settings(), MESSENGER) as source,
    ):
        source._ask("a long query", "select pg_sleep(3)::text as pause")
    assert "transaction_timeout" in caught.value.hint
