"""Databases for tests of metrics: an empty warehouse, generated traffic, and real chats."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psycopg
import pytest

from etl.sandbox import chitchat, traffic
from etl.sandbox.postgres import create_database, drop_database
from olap.layout import Layout
from olap.settings import Settings
from olap.warehouse import Warehouse, open_warehouse
from tests.fix_pipeline import TIME_ZERO, Pipeline


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse without rows; a test rolls back what it writes."""
    layout = Layout(tmp_path_factory.mktemp("empty-warehouse"))
    with layout.locked(), open_warehouse(Settings(data_dir=layout.root)) as warehouse:
        yield warehouse


@pytest.fixture(scope="session")
def busy(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Generated traffic of 5,000 messages, read by one cycle."""
    with _read_once("busy", _load_traffic, postgres_url, tmp_path_factory) as pipeline:
        yield pipeline


@pytest.fixture(scope="session")
def marked(busy: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generation of `busy` with read marks, which our messenger has not."""
    path = tmp_path_factory.mktemp("marked") / "analytics.duckdb"
    shutil.copyfile(busy.published, path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "insert into core.dim_read_marks"
            " select conversation_key, user_key, max(message_created_at), max(read_at)"
            " from core.fact_read_receipts where conversation_key is not null and user_key % 3 > 0"
            " group by all"
        )
        connection.execute(
            "create or replace macro core.why_not_available(of_table) as (cast(null as varchar))"
        )
    path.chmod(0o444)
    return path


@pytest.fixture(scope="session")
def chats(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The chitchat corpus, 258,145 messages by real people, read by one cycle."""
    with _read_once(
        "chats", lambda url: chitchat.load(url, TIME_ZERO), postgres_url, tmp_path_factory
    ) as pipeline:
        yield pipeline


def _load_traffic(url: str) -> None:
    """Generated traffic; some people who read a message react to it."""
    traffic.load(url, traffic.TrafficPlan(messages=5_000, until=TIME_ZERO))
    with psycopg.connect(url) as source:
        source.execute(
            """
            insert into message_reactions (message_id, user_id, emoji, created_at)
            select
                message_id, user_id,
                (array['👍', '❤', ':party-parrot:'])[1 + abs(hashint8(user_id)) %% 3],
                read_at + interval '1 minute'
            from message_read_receipts
            where abs(hashtext(message_id::text || user_id)) %% 5 = 0
                and read_at + interval '1 minute' < %s
            """,
            [TIME_ZERO],
        )


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
