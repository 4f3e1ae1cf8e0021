"""Ranges and chunks: every place is read once, and what was read is found again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olap.backfill_chunks import (
    LAST_BLOCK,
    BackfillPlan,
    Chunk,
    Chunks,
    PlannedTable,
    block_ranges,
    chunk_path,
    discard_chunks,
    forget_chunk,
    read_chunks,
    record_chunk,
    write_plan,
)
from olap.commands import call
from olap.days import EVERY_DAY, NO_DAY, DayRange, DaySet, day_set
from olap.errors import BackfillError
from olap.layout import Layout
from tests.factories import XMAX, XMIN, an_identity

heaps = st.lists(st.integers(0, 60), max_size=5)


@given(heaps, st.integers(1, 40))
def test_the_ranges_of_a_table_cover_every_block_once(blocks: list[int], at_most: int) -> None:
    """They follow each other from the first block to the last there can be, without a gap."""
    ranges = list(block_ranges("messages", blocks, at_most=at_most))
    edges = [(found.first_block, found.until_block) for found in ranges]
    assert edges[0][0] == 0
    assert edges[-1][1] == LAST_BLOCK
    assert [until for _, until in edges[:-1]] == [first for first, _ in edges[1:]]
    assert all(first < until for first, until in edges)
    assert [found.number for found in ranges] == list(range(len(ranges)))
    assert sum(found.blocks for found in ranges) == sum(blocks)


@given(heaps, st.integers(1, 40))
def test_a_range_has_no_more_blocks_than_asked_for(blocks: list[int], at_most: int) -> None:
    """Over all heaps together, unless one block of each is more already."""
    for found in block_ranges("messages", blocks, at_most=at_most):
        assert found.blocks <= max(at_most, len(blocks))


days = st.builds(
    lambda first, length: DayRange(
        date.fromordinal(first), date.fromordinal(min(first + length, date.max.toordinal()))
    ),
    st.integers(1, 40) | st.integers(date.max.toordinal() - 40, date.max.toordinal()),
    st.integers(0, 9),
)
day_sets = st.lists(days, max_size=4).map(lambda found: day_set(*found)) | st.just(EVERY_DAY)


@given(day_sets, day_sets, st.integers(1, 60) | st.integers(date.max.toordinal() - 60))
def test_the_difference_of_two_sets_of_days(left: DaySet, right: DaySet, ordinal: int) -> None:
    """It has exactly the days of the one that the other lacks, in ranges that do not touch."""
    day = date.fromordinal(min(ordinal, date.max.toordinal()))
    found = left - right
    assert (day in found) == (day in left and day not in right)
    assert found == day_set(*found.ranges)
    assert found | (left - found) == left


def a_plan() -> BackfillPlan:
    """Two ranges of messages, one of each other fact."""
    return BackfillPlan(
        days=EVERY_DAY,
        source=an_identity(),
        xmin=XMIN,
        xmax=XMAX,
        tables={"messages": PlannedTable(relation="1:2", columns="1 id uuid")},
        ranges=(
            *block_ranges("messages", [2], at_most=1),
            *block_ranges("events", [1], at_most=1),
        ),
    )


def read_range(layout: Layout, name: str, xmin: int) -> None:
    """Put a chunk where a reader would put it."""
    chunk_path(layout.backfill, name).write_bytes(b"rows")
    chunk = Chunk(name=name, xmin=xmin, xmax=xmin + 5, rows=3, bytes=30)
    record_chunk(layout.backfill, chunk)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A DATA_DIR with nothing in it."""
    found = Layout(tmp_path / "data")
    found.create()
    return found


def present(layout: Layout) -> Chunks:
    """The unfinished backfill, which is there."""
    found = read_chunks(layout)
    assert found is not None
    return found


def test_what_was_read_is_found_again(layout: Layout) -> None:
    """After a restart exactly the recorded ranges are done; watermark and xmax are the extremes."""
    write_plan(layout, a_plan())
    assert (present(layout).watermark, present(layout).xmax) == (XMIN, XMAX)
    read_range(layout, "messages-000001", XMIN + 7)
    read_range(layout, "events-000000", XMIN + 2)
    found = present(layout)
    assert [planned.name for planned in found.waiting] == ["messages-000000"]
    assert (found.watermark, found.xmax) == (XMIN + 2, XMIN + 12)
    assert (found.blocks, found.blocks_done, found.rows) == (3, 2, 6)
    assert found.files("messages") == [chunk_path(layout.backfill, "messages-000001")]


def test_half_a_piece_is_no_piece(layout: Layout) -> None:
    """A range that was killed between its two files, or forgotten, is read again."""
    write_plan(layout, a_plan())
    read_range(layout, "messages-000000", XMIN)
    read_range(layout, "messages-000001", XMIN)
    chunk_path(layout.backfill, "messages-000000").with_suffix(".json").unlink()
    forget_chunk(layout.backfill, "messages-000001")
    assert len(present(layout).waiting) == 3
    assert not chunk_path(layout.backfill, "messages-000001").exists()


def test_a_new_plan_removes_what_it_does_not_name(layout: Layout) -> None:
    """Chunks of ranges that are no more, and what a reader spilled, go; the others stay."""
    write_plan(layout, a_plan())
    read_range(layout, "messages-000001", XMIN)
    read_range(layout, "events-000000", XMIN)
    (layout.backfill / "spill-0").mkdir()
    plan = a_plan()
    fewer = BackfillPlan(
        days=plan.days,
        source=plan.source,
        xmin=plan.xmin,
        xmax=plan.xmax,
        tables=plan.tables,
        ranges=plan.ranges[2:],
    )
    write_plan(layout, fewer)
    names = sorted(path.name for path in layout.backfill.iterdir())
    assert names == ["events-000000.json", "events-000000.parquet", "plan.json"]


def test_discarding_leaves_nothing(layout: Layout) -> None:
    """A discarded backfill is gone, and discarding nothing is no error."""
    write_plan(layout, a_plan())
    read_range(layout, "messages-000001", XMIN)
    discard_chunks(layout)
    discard_chunks(layout)
    assert not layout.backfill.exists()
    assert read_chunks(layout) is None


def test_a_damaged_plan_is_named(layout: Layout) -> None:
    """A plan that cannot be read stops the backfill; the error tells how to start again."""
    write_plan(layout, a_plan())
    (layout.backfill / "plan.json").write_bytes(b'{"days": 3}')
    with pytest.raises(BackfillError, match=r"plan\.json.*is damaged") as caught:
        read_chunks(layout)
    assert call("backfill --restart") in caught.value.hint


def test_no_day_is_left_of_every_day() -> None:
    """Nothing minus something is nothing, and all minus all as well."""
    assert EVERY_DAY - EVERY_DAY == NO_DAY
    assert NO_DAY - EVERY_DAY == NO_DAY
