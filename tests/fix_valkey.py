"""Valkey for the tests: one server per worker, from the sandbox, without persistence."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.sandbox.valkey import valkey_server


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The `unix://` URL of a Valkey; the tests share it, so each must use its own keys."""
    with (
        tempfile.TemporaryDirectory(prefix="test-valkey-") as directory,
        valkey_server(Path(directory)) as url,
    ):
        yield url
