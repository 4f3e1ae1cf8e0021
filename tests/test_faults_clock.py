"""Jumps of our clock and of the source's: rows stay complete, and generations go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from etl.source import Snapshot, SourceTransaction
from olap.status import status
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World

pytestmark = pytest.mark.slow

YEARS = timedelta(days=3 * 365)


@pytest.mark.parametrize("jump", [YEARS, -YEARS], ids=["forward", "back"])
def test_our_clock_can_jump(pipeline: Pipeline, jump: timedelta) -> None:
    """After a jump each change is published, numbers grow, and old generations are removed."""
    with World(pipeline.url) as world:
        for number in range(4):
            world.message(number)
            pipeline.cycle()
        pipeline.clock.now += jump
        for number in range(10, 14):
            world.message(number)
            assert pipeline.cycle().is_published
        pipeline.clock.advance(minutes=20)
        pipeline.cycle()
    assert pipeline.manifest().generation >= 8
    assert pipeline.generations()[-1] == pipeline.manifest().generation
    assert len(pipeline.generations()) <= pipeline.settings.keep_generations + 1
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


def test_a_cycle_publishes_after_our_clock_was_set_back(pipeline: Pipeline) -> None:
    """A generation from the future does not prevent the next one."""
    with World(pipeline.url) as world:
        world.message(1)
    pipeline.cycle()
    pipeline.clock.now -= YEARS
    assert pipeline.cycle().is_published
    assert not pipeline.cycle().is_published


@pytest.mark.parametrize("jump", [YEARS, -YEARS], ids=["forward", "back"])
def test_data_through_never_goes_back(
    pipeline: Pipeline, jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the source's clock jumps and returns, data_through never decreases."""
    read, offsets = SourceTransaction._read_snapshot, [timedelta(), jump, timedelta()]

    def shifted(self: SourceTransaction) -> Snapshot:
        snapshot = read(self)
        return replace(snapshot, seen_at=snapshot.seen_at + offsets[0])

    monkeypatch.setattr(SourceTransaction, "_read_snapshot", shifted)
    seen = []
    with World(pipeline.url) as world:
        for number in range(3):
            world.message(number)
            seen.append(pipeline.cycle().manifest.data_through)
            offsets.append(offsets.pop(0))
    assert seen == sorted(seen)
    assert pipeline.manifest().tables["messages"].rows == 3
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}


def test_status_warns_of_a_source_in_the_future(pipeline: Pipeline) -> None:
    """A last batch ahead of our clock is a warning, because it hides a lag."""
    pipeline.cycle()
    at_the_source = pipeline.manifest().data_through
    found = status(pipeline.layout, at_the_source - YEARS, interval_seconds=300)
    assert (found.level, len(found.reasons)) == ("WARNING", 1)
    assert "in the future" in found.reasons[0]
    assert status(pipeline.layout, at_the_source, interval_seconds=300).level == "OK"
