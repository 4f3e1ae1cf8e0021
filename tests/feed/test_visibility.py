"""Visibility: which transactions of the log a snapshot sees, across wraparounds."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.feed.visibility import Visibility

HALF, CIRCLE = 2**31, 2**32


@pytest.mark.parametrize(
    ("xid", "is_seen"), [(9, True), (10, False), (11, True), (12, False), (13, False), (99, False)]
)
def test_a_snapshot_sees_what_had_ended(xid: int, is_seen: bool) -> None:
    """It sees what is below xmin, and what is below xmax and not listed."""
    assert Visibility.of("10:13:10,12").sees(xid) is is_seen


@given(
    st.sampled_from([0, HALF, CIRCLE, CIRCLE + HALF, 7 * CIRCLE]),
    st.integers(-5_000, 5_000),
    st.integers(-HALF + 1, HALF - 1),
)
def test_the_epoch_is_that_of_the_snapshot(corner: int, near: int, distance: int) -> None:
    """Less than 2^31 before or after xmax, the low 32 bits of an xid give all 64."""
    xmax = max(corner + near, 3)
    xid = max(xmax + distance, 0)
    found = Visibility(xmin=xmax, xmax=xmax, running=frozenset()).full_xid(xid % CIRCLE)
    assert found == xid


@pytest.mark.parametrize("xmax", [HALF - 2, HALF + 2, CIRCLE - 2, CIRCLE + 2])
def test_a_later_transaction_is_not_seen_across_the_corner(xmax: int) -> None:
    """What begins after the snapshot is not seen, also where its 32 bits are smaller."""
    snapshot = Visibility.of(f"{xmax - 1}:{xmax}:{xmax - 1}")
    seen = [snapshot.sees(snapshot.full_xid((xmax + n) % CIRCLE)) for n in range(-4, 4)]
    assert seen == [True, True, True, False, False, False, False, False]


def test_the_server_agrees(database: str) -> None:
    """Of the xids around a snapshot with gaps, the same ones are seen as the server says."""
    text = "100:110:100,104,109"
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "select xid, pg_visible_in_snapshot(xid::text::xid8, %s)"
            " from generate_series(90, 120) as xid",
            [text],
        ).fetchall()
    assert rows == [(xid, Visibility.of(text).sees(xid)) for xid in range(90, 121)]
