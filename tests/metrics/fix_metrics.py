"""Databases for tests of metrics: an empty warehouse, generated traffic, and real chats."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from etl.sandbox import chitchat, traffic
from etl.sandbox.server import create_database, drop_database
from olap.layout import Layout
from olap.settings import Settings
from olap.warehouse import Warehouse, open_warehouse
from tests.fix_pipeline import TIME_ZERO, Pipeline


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse without rows; a test rolls back what it writes."""
    layout = Layout(tmp_path_factory.mktemp("empty-warehouse"))
    with layout.locked(), open_warehouse(layout, memory_limit="400MB", threads=1) as warehouse:
        yield warehouse


@pytest.fixture(scope="session")
def busy(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Generated traffic of 5,000 messages, read by one cycle."""
    plan = traffic.TrafficPlan(messages=5_000, until=TIME_ZERO)
    with _read_once(
        "busy", lambda url: traffic.load(url, plan), postgres_url, tmp_path_factory
    ) as pipeline:
        yield pipeline


@pytest.fixture(scope="session")
def chats(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The chitchat corpus, 258,145 messages by real people, read by one cycle."""
    with _read_once(
        "chats", lambda url: chitchat.load(url, TIME_ZERO), postgres_url, tmp_path_factory
    ) as pipeline:
        yield pipeline


@contextmanager
def _read_once(
    name: str,
    fill: Callable[[str], object],
    postgres_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pipeline]:
    database = f"test_{os.getpid()}_{name}"
    try:
        url = create_database(postgres_url, database, template="template1")
        fill(url)
        pipeline = Pipeline(url, Settings(data_dir=tmp_path_factory.mktemp(name) / "data"))
        pipeline.cycle()
        yield pipeline
    finally:
        drop_database(postgres_url, database)
