"""An engine, and a warehouse of which it has the tables.

The engine is Sail in this process; with `SPARK=1` it is Spark with Java, for the same tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from olap.engine.session import IN_PROCESS, Engine, open_engine
from tests.scale.filled_engine import FilledEngine
from tests.scale.spark_server import spark_server


@pytest.fixture(scope="session")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A session on Sail in this process, or on Spark."""
    with ExitStack() as stack:
        address = IN_PROCESS
        if os.environ.get("SPARK"):
            address = stack.enter_context(spark_server(tmp_path_factory.mktemp("spark")))
        engine = open_engine(address)
        stack.callback(engine.close)
        yield engine


@pytest.fixture(scope="session")
def filled_engine(sail: Engine, tmp_path_factory: pytest.TempPathFactory) -> FilledEngine:
    """Sail with the tables of the warehouse that a test fills."""
    return FilledEngine(sail, tmp_path_factory.mktemp("engine"))
