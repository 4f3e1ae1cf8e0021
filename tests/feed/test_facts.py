"""What a feed costs the source, and how a batch found what changed, as it is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from etl.feed.facts import feed_costs
from olap import ledger
from olap.manifest import Mode
from olap.paths import open_read_only
from olap.secret import Secret
from olap.status import FeedCosts
from olap.warehouse import open_warehouse
from tests.feed.follower import Follower, install
from tests.fix_pipeline import Pipeline
from tests.world import World


def costs(follower: Follower, url: str | None = None) -> FeedCosts | None:
    """What the feed costs the source."""
    return feed_costs(follower.settings, Secret(url or follower.url))


def test_a_slot_retains_what_was_not_read(new_follower: Callable[[Mode], Follower]) -> None:
    """What is written raises the retained log, and batches bring it down; its limit is told."""
    follower = new_follower(Mode.SLOT)
    with World(follower.url) as world:
        world.execute("set synchronous_commit = on")
        world.execute("select pg_logical_emit_message(true, '', repeat('x', 5000000))")
        world.execute("checkpoint")
    before = costs(follower)
    # The log is needed from the last record of what ran; each batch moves it on.
    for _ in range(2):
        with World(follower.url) as world:
            world.execute("checkpoint")
        follower.read()
    after = costs(follower)
    assert before is not None and before.slot is not None and before.log is None
    assert after is not None and after.slot is not None
    assert before.slot.limit_bytes == 2**30
    assert before.slot.retained_bytes > 5_000_000 > after.slot.retained_bytes >= 0


def test_the_rows_of_a_log_are_told(new_follower: Callable[[Mode], Follower]) -> None:
    """A change log has an estimate of its rows."""
    follower = new_follower(Mode.LOG)
    with World(follower.url) as world:
        for number in range(20):
            world.message(number)
        world.execute("analyze analytics_feed.log")
    found = costs(follower)
    assert found is not None and found.log is not None and found.slot is None
    assert found.log.log_rows == 20


def test_a_source_that_does_not_answer_has_no_costs(
    new_follower: Callable[[Mode], Follower],
) -> None:
    """What cannot be asked is unknown, and no error."""
    follower = new_follower(Mode.LOG)
    assert costs(follower, make_conninfo(follower.url, dbname="not there")) is None


@pytest.fixture
def by_slot(pipeline: Pipeline) -> Pipeline:
    """A pipeline that has read a first batch by a scan, and a second by the slot."""
    install(pipeline.url, Mode.SLOT)
    pipeline = replace(pipeline, settings=replace(pipeline.settings, etl_mode="slot"))
    with World(pipeline.url) as world:
        world.message(1)
        pipeline.cycle()
        world.message(2)
        pipeline.cycle()
    return pipeline


def test_mode_and_feed_are_recorded_and_survive_a_rebuild(by_slot: Pipeline) -> None:
    """Each batch has its mode and reason, in the published file too; a rebuild keeps them."""
    manifest = by_slot.manifest()
    modes = [(batch.mode, batch.mode_reason) for batch in manifest.batches]
    assert modes == [(Mode.SCAN, "the slot is new"), (Mode.SLOT, None)]
    assert manifest.feed is not None and manifest.feed.position is not None
    with open_read_only(by_slot.published) as connection:
        found = connection.execute("select mode, mode_reason from core.batches order by batch")
        assert found.fetchall() == [("scan", "the slot is new"), ("slot", None)]
    rebuilt = by_slot.rebuild()
    assert (rebuilt.feed, rebuilt.batches) == (manifest.feed, manifest.batches)


def test_a_manifest_without_a_mode_is_read(by_slot: Pipeline, tmp_path: Path) -> None:
    """An earlier version recorded neither; its batches were scans."""
    with open_warehouse(by_slot.settings) as warehouse:
        recorded = ledger.read(warehouse)
    assert recorded is not None
    content = json.loads(recorded.to_json())
    del content["feed"]
    for batch in content["batches"]:
        del batch["mode"], batch["mode_reason"]
    by_slot.layout.lake_manifest.write_text(json.dumps(content))
    rebuilt = by_slot.rebuild()
    assert rebuilt.feed is None
    assert [batch.mode for batch in rebuilt.batches] == [Mode.SCAN, Mode.SCAN]
