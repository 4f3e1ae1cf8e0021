"""Wraparound of transaction ids: no row that a snapshot could not see is missed.

A row stores 32 bits of its xid, a watermark all 64, and `age()` counts backwards on the circle of
32-bit xids. The model of `age()` here is compared with the server's, properties are tested on the
model, and a real server is moved across 2^31 and 2^32.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from etl.guards import WATERMARK_AGE_MAX, watermark_to_read_from
from etl.sandbox.load import create_schema
from etl.sandbox.postgres import Cluster, create_database, postgres_server
from olap.settings import Settings
from tests import contents
from tests.factories import a_relation, a_snapshot, a_table_state
from tests.fix_pipeline import Pipeline
from tests.fix_postgres import POSTGRES_VERSION
from tests.world import World, at

CIRCLE = 2**32
INT_MAX = 2**31 - 1
# Special xids, which are never assigned: 0 is invalid, 1 bootstraps, 2 marks frozen rows.
FIRST_NORMAL = 3
XIDS_PER_SEGMENT = 8192 * 4 * 32


def age(now: int, xid: int) -> int:
    """PostgreSQL's `age(xid)` when `now`, 64 bits, is the next xid; special xids are ancient."""
    low = xid % CIRCLE
    if low < FIRST_NORMAL:
        return INT_MAX
    return (now - low + 2**31) % CIRCLE - 2**31


def is_read(now: int, watermark: int, row: int) -> bool:
    """The condition of `sql/source/forms` on a row's xmin, with a 32-bit watermark."""
    return 0 <= age(now, row) <= age(now, watermark & 0xFFFF_FFFF)


def test_the_model_equals_the_server(database: str) -> None:
    """The server's `age()` of xids around the circle, including special ones, equals the model."""
    with psycopg.connect(database) as connection:
        row = connection.execute("select pg_current_xact_id()::text::bigint").fetchone()
        assert row is not None
        now = row[0]
        corners = (0, 1, 2, 3, 4, now, now + 2**31, 2**31, CIRCLE - 1)
        xids = sorted({(corner + n) % CIRCLE for corner in corners for n in range(-3, 4)})
        found = connection.execute(
            "select xid, age(xid::text::xid) from unnest(%s::bigint[]) as xid order by xid", [xids]
        ).fetchall()
    assert found == [(xid, age(now, xid)) for xid in xids]


def xids() -> st.SearchStrategy[int]:
    """64-bit xids that can be assigned, most of them near multiples of 2^31."""
    corners = st.sampled_from([n * 2**31 for n in (0, 1, 2, 3, 4, 7, 8, 2**20)])
    near = st.builds(lambda corner, n: max(corner + n, 0), corners, st.integers(-2000, 2000))
    return st.one_of(near, st.integers(0, 2**40)).map(assigned)


def assigned(xid: int) -> int:
    """The xid, or the next one that is not special."""
    return xid if xid % CIRCLE >= FIRST_NORMAL else xid - xid % CIRCLE + FIRST_NORMAL


@given(
    watermark=xids(),
    behind=st.one_of(st.integers(0, 5000), st.integers(0, WATERMARK_AGE_MAX + 5)),
    burned=st.integers(0, 2**20 - 1),
    where=st.one_of(st.integers(0, 5000), st.integers(0, WATERMARK_AGE_MAX + 5)),
)
def test_no_row_that_a_snapshot_could_not_see_is_missed(
    watermark: int, behind: int, burned: int, where: int
) -> None:
    """If the guard accepts a watermark, every xid from it to the snapshot's xmax is read."""
    xmax = assigned(watermark + behind)
    trusted, _ = watermark_to_read_from(
        a_table_state(watermark=watermark), a_relation(), a_snapshot(xmin=watermark, xmax=xmax)
    )
    assume(trusted is not None)
    row = assigned(watermark + where % max(behind, 1))
    assume(row < xmax)
    # Other transactions take xids between the snapshot and the statement.
    assert is_read(assigned(xmax + burned), watermark, row)


@given(watermark=xids(), behind=st.integers(0, 2**20), before=st.integers(1, 2**31 - 2**21))
def test_older_rows_are_not_read(watermark: int, behind: int, before: int) -> None:
    """Rows up to half a circle older than the watermark, and frozen rows, are not read."""
    now = assigned(watermark + behind)
    assume(watermark - before >= FIRST_NORMAL)
    row = watermark - before
    assert row % CIRCLE < FIRST_NORMAL or not is_read(now, watermark, row)
    assert not any(is_read(now, watermark, special) for special in range(FIRST_NORMAL))


@given(watermark=xids(), beyond=st.integers(0, 2**33))
def test_a_watermark_in_another_half_of_the_circle_is_refused(watermark: int, beyond: int) -> None:
    """A table with a watermark older than 2^31 less a million is read whole."""
    xmax = watermark + WATERMARK_AGE_MAX + beyond
    found = watermark_to_read_from(
        a_table_state(watermark=watermark), a_relation(), a_snapshot(xmax=xmax)
    )
    assert found == (None, "watermark too old")


@contextmanager
def server_whose_next_xid_is(xid: int) -> Iterator[str]:
    """A new server that is moved to an xid while it is stopped; its rows are frozen before."""
    with tempfile.TemporaryDirectory(prefix="test-wrap-") as name:
        directory = Path(name).resolve()
        with postgres_server(directory, version=POSTGRES_VERSION) as server:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("alter database template0 allow_connections true")
                connection.execute("alter system set autovacuum = off")
            for database in ("template0", "template1", "postgres"):
                with psycopg.connect(server.url(database), autocommit=True) as connection:
                    connection.execute("vacuum freeze")
        cluster = Cluster(directory, POSTGRES_VERSION)
        segment = cluster.data / "pg_xact" / f"{xid // XIDS_PER_SEGMENT:04X}"
        segment.write_bytes(bytes(2**18))
        cluster.account.own(segment)
        oldest = str(xid - 10_000_000)
        cluster.run("pg_resetwal", "-x", str(xid), "-u", oldest, ".", data=cluster.data)
        with postgres_server(directory, version=POSTGRES_VERSION) as server:
            url = create_database(server.url(), "messenger")
            with psycopg.connect(url) as connection:
                create_schema(connection)
            yield url


def next_xid(world: World) -> int:
    """Take an xid and return its 64 bits."""
    row = world.connection.execute("select pg_current_xact_id()::text::bigint").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("corner", [2**31, 2**32])
@pytest.mark.slow
def test_cycles_continue_across_a_wraparound(corner: int, tmp_path: Path) -> None:
    """On a real server each cycle around 2^31 and 2^32 reads new rows, including late commits."""
    with server_whose_next_xid_is(corner - 100) as url, World(url) as world, World(url) as late:
        pipeline = Pipeline(url, Settings(data_dir=tmp_path / "data"))
        world.user(1)
        world.conversation(1)
        world.participant()
        for number in range(5):
            world.message(number, created_at=at(days=-number))
            world.receipt(number)
        pipeline.cycle()
        assert next_xid(world) < corner
        late.connection.execute("begin")
        late.message(50)
        late.execute("update messages set content = 'edited late' where content = 'hello'")
        number, passed = 100, 0
        while passed < 3:
            world.message(number, created_at=at(days=-(number % 3)))
            world.event(number)
            number += 1
            passed += next_xid(world) >= corner
            if number % 16 == 0 or passed in (1, 3):
                report = pipeline.cycle()
                assert not any(table.is_full for table in report.extract.tables.values())
                found, source = contents.of_views(pipeline.published), contents.of_source(url)
                assert contents.differences(found, source) == {}
        assert report.extract.tables["users"].rows == 0
        late.connection.execute("commit")
        report = pipeline.cycle()
        # The late transaction held the watermark back; now it moves across the corner.
        assert report.extract.tables["messages"].rows == number - 100 + 6
        found, source = contents.of_views(pipeline.published), contents.of_source(url)
        assert contents.differences(found, source) == {}
        report = pipeline.cycle()
        assert report.extract.tables["messages"].rows == 0
