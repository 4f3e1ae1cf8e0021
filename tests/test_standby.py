"""A standby as the source, and lagging replicas, with real servers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from etl.feed.install import apply, install_script, read_site, uninstall_script
from etl.sandbox.postgres import (
    Cluster,
    PostgresServer,
    create_database,
    database_url,
    postgres_server,
)
from etl.survey import replica_lag_bytes
from olap.commands import call
from olap.errors import SourceChangedError, SourceError
from olap.manifest import Mode
from olap.mapping import read_mapping
from olap.secret import Secret
from tests import contents
from tests.feed.follower import Follower, install
from tests.fix_pipeline import Pipeline
from tests.fix_postgres import FOREIGN_SERVER, POSTGRES_VERSION
from tests.source_schemas import SourceSchema
from tests.world import World, at

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(FOREIGN_SERVER is not None, reason="starts servers of its own"),
]

# A bound for a replica that never gets there, not for its speed.
DEADLINE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Replicated:
    """A primary and its standby, by the URLs of the messenger's database on each."""

    primary: str
    standby: str

    @property
    def standby_server(self) -> str:
        """A database that every standby has."""
        return database_url(self.standby, "postgres")

    def replay(self, *, paused: bool) -> None:
        """Pause or resume the replay of the standby."""
        verb = "pause" if paused else "resume"
        with psycopg.connect(self.standby_server, autocommit=True) as connection:
            connection.execute(f"select pg_wal_replay_{verb}()".encode())

    def catch_up(self) -> None:
        """Wait until the standby has replayed everything that the primary has written."""
        with psycopg.connect(self.primary, autocommit=True) as primary:
            mark = "select pg_logical_emit_message(true, 'mark', '')::text"
            row = primary.execute(mark).fetchone()
        assert row is not None
        with psycopg.connect(self.standby_server, autocommit=True) as standby:
            query = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
            until(lambda: standby.execute(query, row).fetchone() == (True,))


def until(is_so: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def backup_of(primary: PostgresServer, home: Path, *options: str) -> Cluster:
    """A base backup of the server, not started."""
    cluster = Cluster(home, POSTGRES_VERSION)
    cluster.data.mkdir(parents=True, mode=0o700)
    cluster.account.own(cluster.data)
    address = make_conninfo(host=str(primary.socket_directory), user="postgres", port=5432)
    copying = (*options, "-c", "fast", "-d", address, "-D", ".")
    cluster.run("pg_basebackup", *copying, data=cluster.data)
    return cluster


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The directory of the servers; only its own account may enter pytest's."""
    with tempfile.TemporaryDirectory(prefix="test-standby-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def servers(home: Path) -> Iterator[tuple[PostgresServer, Cluster]]:
    """A primary and the cluster of a running standby."""
    with postgres_server(home / "primary", version=POSTGRES_VERSION) as primary:
        standby = Cluster(home / "standby", POSTGRES_VERSION)
        standby.data.mkdir(parents=True, mode=0o700)
        standby.account.own(standby.data)
        address = make_conninfo(host=str(primary.socket_directory), user="postgres", port=5432)
        standby.run(
            "pg_basebackup", "-R", "-c", "fast", "-d", address, "-D", ".", data=standby.data
        )
        standby.start()
        try:
            yield primary, standby
        finally:
            standby.stop()


@pytest.fixture
def replicated(servers: tuple[PostgresServer, Cluster], schema: SourceSchema) -> Replicated:
    """A messenger with a few rows, on both servers."""
    primary, standby = servers
    name = f"messenger_{time.monotonic_ns()}"
    url = create_database(primary.url(), name)
    with psycopg.connect(url) as connection:
        schema.create(connection)
    with World(url) as world:
        for number in range(6):
            world.user(number)
            world.message(number, created_at=at(days=-(number % 3)))
            world.receipt(number, user=2)
    found = Replicated(url, database_url(standby.start().url(), name))
    found.replay(paused=False)
    found.catch_up()
    return found


@pytest.mark.both_schemas
def test_a_standby_is_read_as_exactly_as_a_primary(
    replicated: Replicated, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """A first load, a cycle and a backfill with two readers equal the standby."""
    pipeline, filled = new_pipeline(replicated.standby), new_pipeline(replicated.standby)
    pipeline.cycle()
    with World(replicated.primary) as world:
        world.message(7)
        world.execute("update messages set content = 'edited' where created_at < %s", at(days=-1))
    replicated.catch_up()
    pipeline.cycle()
    filled.backfill(jobs=2)
    expected = contents.of_source(replicated.primary)
    for found in (pipeline, filled):
        assert contents.differences(contents.of_views(found.published), expected) == {}


@pytest.mark.parametrize("mode", [Mode.SLOT, Mode.LOG])
def test_a_standby_is_not_read_by_a_feed(replicated: Replicated, mode: Mode) -> None:
    """Its snapshots do not list what runs on the primary: the batch is a scan, and says so."""
    install(replicated.primary, mode)
    replicated.catch_up()
    reading = Follower(replicated.standby, mode).read()
    assert (reading.mode, reading.changes) == (Mode.SCAN, None)
    assert reading.reason == (
        "the source is a standby, whose snapshots do not list what runs on its primary"
    )


def test_data_through_of_a_standby_is_its_replay_time(
    replicated: Replicated, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """While the replay is paused, data_through is the time of the last replayed transaction."""
    pipeline = new_pipeline(replicated.standby)
    replicated.replay(paused=True)
    with psycopg.connect(replicated.standby) as connection:
        row = connection.execute("select pg_last_xact_replay_timestamp()").fetchone()
    with World(replicated.primary) as world:
        world.message(7)
    report = pipeline.cycle()
    assert (report.manifest.data_through,) == row
    assert report.manifest.tables["messages"].rows == 6


@pytest.mark.both_schemas
def test_a_standby_that_is_behind_the_primary_stops_the_cycle(
    replicated: Replicated, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """After a read of the primary, a lagging replica is an older source, and no row is lost."""
    pipeline = new_pipeline(replicated.primary)
    replicated.replay(paused=True)
    with World(replicated.primary) as world:
        world.message(7)
        pipeline.cycle()
        pipeline.url = replicated.standby
        with pytest.raises(SourceChangedError, match="is older than at the last cycle") as caught:
            pipeline.cycle()
        assert "wait for the replica" in caught.value.hint
        replicated.replay(paused=False)
        replicated.catch_up()
        pipeline.cycle()
        assert contents.of_views(pipeline.published) == contents.of_source(replicated.primary)


@pytest.mark.both_schemas
def test_a_restored_copy_of_the_cluster_stops_the_cycle(
    servers: tuple[PostgresServer, Cluster],
    replicated: Replicated,
    new_pipeline: Callable[[str], Pipeline],
    home: Path,
) -> None:
    """A restored backup, which lacks rows that were read, stops the cycle until `--full --yes`."""
    pipeline = new_pipeline(replicated.primary)
    restored = backup_of(servers[0], home / f"restored {pipeline.schema}")
    with World(replicated.primary) as world:
        for number in range(7, 10):
            world.message(number)
    pipeline.cycle()
    name = replicated.primary.rpartition("/")[2].partition("?")[0]
    pipeline.url = database_url(restored.start().url(), name)
    try:
        with pytest.raises(SourceChangedError, match="or a restored copy") as caught:
            pipeline.cycle()
        assert call("etl --full") in caught.value.hint
        assert pipeline.manifest().tables["messages"].rows == 9
        pipeline.cycle(is_full=True, may_remove=True)
        assert contents.of_views(pipeline.published) == contents.of_source(pipeline.url)
    finally:
        restored.stop()


@pytest.mark.parametrize("mode", [Mode.SLOT, Mode.LOG])
def test_a_feed_is_not_installed_on_a_standby(replicated: Replicated, mode: Mode) -> None:
    """It can be asked for the tables, so that the SQL is printed, and refuses to run it."""
    url, mapping = Secret(replicated.standby), read_mapping("messenger")
    site = read_site(url, mode, mapping)
    assert len(site.followed) == 7
    for script in (install_script(mode, mapping, site), uninstall_script(mode, site)):
        with pytest.raises(SourceError) as caught:
            apply(url, script)
        assert caught.value.message == "this server is a standby, where nothing can be changed"
        assert caught.value.hint == "Run it on the primary."


def test_the_lag_of_a_replica_is_measured_on_both_servers(replicated: Replicated) -> None:
    """WAL that a replica has not replayed counts as lag, on the primary and on the replica."""

    def lags() -> list[int | None]:
        return [replica_lag_bytes(Secret(url)) for url in (replicated.primary, replicated.standby)]

    until(lambda: lags() == [0, 0])
    replicated.replay(paused=True)
    with World(replicated.primary) as world:
        world.event(1, metadata='{"note": "' + "x" * 4000 + '"}')
    until(lambda: all(lag is not None and lag > 100 for lag in lags()))
    replicated.replay(paused=False)
    until(lambda: lags() == [0, 0])


def test_a_role_that_may_not_see_replicas_is_an_error(replicated: Replicated) -> None:
    """The error names the missing GRANT, because the backfill could not pause."""
    with psycopg.connect(replicated.primary, autocommit=True) as connection:
        connection.execute("drop role if exists blind")
        connection.execute("create role blind login")
    with pytest.raises(SourceError, match="may not see the position of 1 replicas") as caught:
        replica_lag_bytes(Secret(make_conninfo(replicated.primary, user="blind")))
    assert "pg_read_all_stats" in caught.value.hint
