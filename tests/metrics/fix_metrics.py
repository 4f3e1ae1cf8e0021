"""What the metrics are asked of: an empty warehouse for small worlds, and a busy messenger."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from etl.sandbox import traffic
from etl.sandbox.server import create_database, drop_database
from olap.layout import Layout
from olap.settings import Settings
from olap.warehouse import Warehouse, open_warehouse
from tests.fix_pipeline import TIME_ZERO, Pipeline


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse in which nothing was ever read; what a test writes, it rolls back."""
    layout = Layout(tmp_path_factory.mktemp("empty-warehouse"))
    with layout.locked(), open_warehouse(layout, memory_limit="400MB", threads=1) as warehouse:
        yield warehouse


@pytest.fixture(scope="session")
def busy(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Generated traffic of 5,000 messages, read by one cycle; nobody writes to it any more."""
    name = f"test_{os.getpid()}_busy"
    try:
        url = create_database(postgres_url, name, template="template1")
        traffic.load(url, traffic.TrafficPlan(messages=5_000, until=TIME_ZERO))
        pipeline = Pipeline(url, Settings(data_dir=tmp_path_factory.mktemp("busy") / "data"))
        pipeline.cycle()
        yield pipeline
    finally:
        drop_database(postgres_url, name)
