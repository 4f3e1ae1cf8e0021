"""The guards: another source stops the cycle, another table is read whole, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from etl.guards import require_same_source, watermark_to_read_from
from etl.source import Snapshot
from olap.commands import call
from olap.errors import SourceChangedError
from tests.factories import (
    XMAX,
    XMIN,
    a_batch,
    a_manifest,
    a_relation,
    a_snapshot,
    a_table_state,
    an_identity,
)


def stopped(snapshot: Snapshot, **manifest: Any) -> SourceChangedError:
    """The error with which the guard stops a snapshot after a manifest."""
    with pytest.raises(SourceChangedError) as caught:
        require_same_source(a_manifest(**manifest), snapshot)
    return caught.value


@pytest.mark.parametrize("xmax", [XMAX, XMAX + 1, XMAX + 2**32])
def test_a_later_snapshot_of_the_same_source_passes(xmax: int) -> None:
    """The same cluster, database and timeline pass when the next xid is the last one or later."""
    require_same_source(a_manifest(), a_snapshot(xmax=xmax))


def test_the_first_load_accepts_any_source() -> None:
    """Without a manifest there is nothing the source could differ from."""
    require_same_source(None, a_snapshot(identity=an_identity(timeline=9), xmax=3))


def test_only_the_last_batch_counts() -> None:
    """The snapshot is held against the newest batch, whatever the older ones say."""
    older, newer = a_batch(snapshot="5000:6000:"), a_batch(batch=2, snapshot="500:600:")
    require_same_source(a_manifest(batches=(older, newer)), a_snapshot(xmin=590, xmax=600))


def test_another_cluster_stops() -> None:
    """Another system identifier stops the cycle, names both clusters and the way out."""
    error = stopped(a_snapshot(identity=an_identity(system_identifier="42")))
    assert error.message == (
        "DATABASE_URL names another database: 16384 messenger of cluster 42, "
        "not 16384 messenger of cluster 7000000000000000001"
    )
    assert call("etl --full") in error.hint
    assert "its own DATA_DIR" in error.hint


@pytest.mark.parametrize("database", ["16384 other", "16385 messenger"])
def test_another_database_of_the_cluster_stops(database: str) -> None:
    """Another name or another oid in the same cluster is another database: it was recreated."""
    error = stopped(a_snapshot(identity=an_identity(database=database)))
    assert error.message.startswith(f"DATABASE_URL names another database: {database} of cluster")
    assert "correct DATABASE_URL" in error.hint


@pytest.mark.parametrize("timeline", [2, 7])
def test_another_timeline_stops(timeline: int) -> None:
    """A failover or recovery may have undone what was read, so a new timeline stops the cycle."""
    error = stopped(a_snapshot(identity=an_identity(timeline=timeline)))
    assert error.message == (
        f"the source is on timeline {timeline}, it was on 1: "
        "a failover or a recovery may have undone rows that were read"
    )
    assert call("etl --full") in error.hint


def test_an_older_copy_stops() -> None:
    """A next xid one below the last one belongs to an older replica or a restored copy."""
    error = stopped(a_snapshot(xmin=XMIN, xmax=XMAX - 1))
    assert error.message == (
        f"the source is older than at the last cycle (next xid {XMAX - 1}, then {XMAX}): "
        "a replica that lags behind, or a restored copy"
    )
    assert error.hint.startswith("Point DATABASE_URL at the primary, or wait for the replica.")
    assert call("etl --full") in error.hint


def test_a_known_table_is_read_from_its_base() -> None:
    """A table whose identity is what it was is read from its watermark, without a reason."""
    state = a_table_state(watermark=XMIN - 5)
    assert watermark_to_read_from(state, a_relation(), a_snapshot()) == (XMIN - 5, None)


def test_an_unknown_table_is_read_whole() -> None:
    """A table that was never read is read whole."""
    assert watermark_to_read_from(None, a_relation(), a_snapshot()) == (None, "first load")


def test_a_swapped_table_is_read_whole() -> None:
    """Another oid, file or set of partitions brings old xmins: the table is read whole."""
    found = watermark_to_read_from(a_table_state(), a_relation(relation="1:2"), a_snapshot())
    assert found == (None, "table swapped, rewritten or partitioned")


def test_changed_columns_are_read_whole() -> None:
    """A recreated column has values that no row version announces: the table is read whole."""
    found = watermark_to_read_from(a_table_state(), a_relation(columns="9 id bigint"), a_snapshot())
    assert found == (None, "columns changed")


@pytest.mark.parametrize("watermark", [XMIN, 2**32 + 17])
def test_the_watermark_is_good_for_less_than_half_the_circle(watermark: int) -> None:
    """A watermark is read from until it is a million xids short of 2^31, where comparison ends."""
    state = a_table_state(watermark=watermark)
    limit = 2**31 - 2**20
    younger, older = a_snapshot(xmax=watermark + limit - 1), a_snapshot(xmax=watermark + limit)
    assert watermark_to_read_from(state, a_relation(), younger) == (watermark, None)
    assert watermark_to_read_from(state, a_relation(), older) == (None, "watermark too old")
