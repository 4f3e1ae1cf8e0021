"""Clocks that jump, ours and the source's: what was seen stays seen, generations come and go."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from etl.source import Snapshot, SourceTransaction
from olap.status import status
from tests import contents
from tests.fix_pipeline import Pipeline
from tests.world import World

YEARS = timedelta(days=3 * 365)


@pytest.mark.parametrize("jump", [YEARS, -YEARS], ids=["forward", "back"])
def test_our_clock_may_jump(pipeline: Pipeline, jump: timedelta) -> None:
    """After a jump each change is still published, numbers grow, and old generations still go."""
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


def test_a_quiet_day_is_published_although_our_clock_was_set_back(pipeline: Pipeline) -> None:
    """A generation from the future does not keep the next one from being published."""
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
    """The source's clock jumps and comes back: data_through only grows, and rows keep coming."""
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


def test_status_warns_of_a_source_that_lives_in_the_future(pipeline: Pipeline) -> None:
    """While the last batch lies ahead of our clock a lag could not be seen: it is a warning."""
    pipeline.cycle()
    at_the_source = pipeline.manifest().data_through
    found = status(pipeline.layout, at_the_source - YEARS, interval_seconds=300)
    assert (found.level, len(found.reasons)) == ("WARNING", 1)
    assert "in the future" in found.reasons[0]
    assert status(pipeline.layout, at_the_source, interval_seconds=300).level == "OK"
