"""An empty warehouse for the worlds of a whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from olap.layout import Layout
from olap.warehouse import Warehouse, open_warehouse


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse in which nothing was ever read; what a test writes, it rolls back."""
    layout = Layout(tmp_path_factory.mktemp("empty-warehouse"))
    with layout.locked(), open_warehouse(layout, memory_limit="400MB", threads=1) as warehouse:
        yield warehouse
