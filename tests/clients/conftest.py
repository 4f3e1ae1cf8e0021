"""What the clients are tried on: a running API and its document, and a published file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from api.auth import Role
from tests.api.servers import Server
from tests.api.tokens import token
from tests.clients.chapter import entries
from tests.clients.desk import QUESTION, Desk
from tests.fix_pipeline import Pipeline


@pytest.fixture
def document(small_server: Server) -> Any:
    """The OpenAPI document of a running API."""
    return httpx.get(f"{small_server.url}/docs/openapi.json").json()


@pytest.fixture
def operations(document: Any) -> set[str]:
    """The ids of its operations, without the stream, whose answer does not end."""
    every = (one for methods in document["paths"].values() for one in methods.values())
    return {one["operationId"] for one in every} - {"stream"}


@pytest.fixture
def admin() -> str:
    """A token of an administrator."""
    return token(Role.ADMIN, "boss")


@pytest.fixture(scope="session")
def held_open(small_site: Pipeline) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, open for reading in this process: DuckDB's lock refuses every client that
    opens it for writing, which the mode of the file does not for root.
    """
    with duckdb.connect(str(small_site.published), read_only=True) as connection:
        yield connection


@pytest.fixture
def new_desk(
    small_site: Pipeline, held_open: duckdb.DuckDBPyConnection, tmp_path: Path
) -> Callable[[str], Desk]:
    """Makes the desk for an entry of the chapter."""
    rows = [[str(day), count] for day, count in held_open.execute(QUESTION).fetchall()]
    assert len(rows) > 1

    def make(name: str) -> Desk:
        (tmp_path / "data").symlink_to(small_site.layout.root, target_is_directory=True)
        return Desk(tmp_path, entries()[name], rows)

    return make
