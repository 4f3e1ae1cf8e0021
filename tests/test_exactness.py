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
from tests.source_schemas import SourceSchema, copy_rows

pytestmark = [pytest.mark.slow, pytest.mark.both_schemas]

Load = Callable[[int], str]


@pytest.fixture
def load(empty_database: str, new_database: Callable[[], str], schema: SourceSchema) -> Load:
    """Makes a database with so many messages of generated traffic, and what belongs to them."""

    def make(messages: int) -> str:
        traffic.load(empty_database, traffic.TrafficPlan(messages=messages, until=TIME_ZERO))
        if not schema.is_renamed:
            return empty_database
        url = new_database()
        copy_rows(empty_database, url)
        return url

    return make


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
    load: Load, new_pipeline: Callable[[str], Pipeline]
) -> None:
    """A first load of generated traffic equals plain SELECTs, row for row."""
    pipeline = replace(new_pipeline(load(5_000)), starts_empty=True)
    pipeline.cycle()
    assert_exact(pipeline)
    assert len(contents.of_views(pipeline.published)["messages"]) > 4_500


@pytest.mark.our_schema("so many rows take long to write through views")
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
    load: Load, new_pipeline: Callable[[str], Pipeline], schema: SourceSchema
) -> None:
    """Each generation is exact after edits, deletes, late receipts, renames, joins and leaves."""
    pipeline = new_pipeline(load(500))
    pipeline.cycle()
    live = LiveTraffic(pipeline.url, rate=5 if schema.is_renamed else 20)
    done: Counter[str] = Counter()
    now = TIME_ZERO
    for _ in range(3):
        for _ in range(30):
            now += timedelta(seconds=7)
            done += live.tick(now)
        pipeline.cycle()
        assert_exact(pipeline)
    assert {action for action in ACTIONS if not done[action]} == set()
