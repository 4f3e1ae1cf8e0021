"""The published tables equal the source's, row for row, after ordinary traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from etl.sandbox import chitchat, traffic
from etl.sandbox.live import ACTIONS, LiveTraffic
from tests import contents
from tests.fix_pipeline import TIME_ZERO, Pipeline

pytestmark = pytest.mark.slow


def assert_exact(pipeline: Pipeline) -> None:
    """Require that views and lake equal the source, and that no check returns a row."""
    expected = contents.of_source(pipeline.url)
    assert contents.differences(contents.of_views(pipeline.published), expected) == {}
    paths: dict[str, list[str]] = {}
    for file in pipeline.manifest().files:
        paths.setdefault(file.table, []).append(file.path)
    found = contents.lake_ids(pipeline.layout.lake, paths)
    assert contents.differences(found, contents.source_ids(pipeline.url)) == {}
    assert contents.offences(pipeline.published) == []


def test_generated_traffic_is_published_exactly(
    empty_database: str, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """A first load of generated traffic equals plain SELECTs, row for row."""
    traffic.load(empty_database, traffic.TrafficPlan(messages=5_000, until=TIME_ZERO))
    pipeline = replace(new_pipeline(empty_database), starts_empty=True)
    pipeline.cycle()
    assert_exact(pipeline)
    assert len(contents.of_views(pipeline.published)["messages"]) > 4_500


def test_chitchat_is_published_exactly(
    empty_database: str, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """A first load of a real corpus equals plain SELECTs, row for row."""
    counts = chitchat.load(empty_database, TIME_ZERO)
    pipeline = new_pipeline(empty_database)
    report = pipeline.cycle()
    assert_exact(pipeline)
    assert counts["messages"] == report.manifest.tables["messages"].rows > 250_000


def test_every_generation_after_live_traffic_is_exact(
    empty_database: str, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """Each generation is exact after edits, deletes, late receipts, renames, joins and leaves."""
    traffic.load(empty_database, traffic.TrafficPlan(messages=500, until=TIME_ZERO))
    pipeline = new_pipeline(empty_database)
    pipeline.cycle()
    live = LiveTraffic(empty_database)
    done: Counter[str] = Counter()
    now = TIME_ZERO
    for _ in range(3):
        for _ in range(30):
            now += timedelta(seconds=7)
            done += live.tick(now)
        pipeline.cycle()
        assert_exact(pipeline)
    assert {action for action in ACTIONS if not done[action]} == set()
