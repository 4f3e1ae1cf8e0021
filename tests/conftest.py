"""The list of fixture modules (`fix_*`), the order of the tests, and the temporary directory."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.effort import FAST

pytest_plugins = [
    "tests.fix_duckdb",
    "tests.fix_postgres",
    "tests.fix_valkey",
    "tests.fix_pipeline",
    "tests.fix_proxy",
    "tests.fix_pooler",
    "tests.feed.fix_feed",
    "tests.metrics.fix_metrics",
    "tests.api.fix_api",
    "tests.api.fix_published",
    "tests.page.fix_browser",
    "tests.page.fix_community",
]

MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 6_000_000_000

# No deadline: an example takes as long as its databases need. A failure prints how to repeat it.
settings.register_profile(
    "project",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile(FAST, settings.get_profile("project"))
settings.load_profile("project")


@pytest.fixture(autouse=True)
def default_logging() -> Iterator[None]:
    """Undo a test's configuration of the log: its stream is closed after the test."""
    yield
    structlog.reset_defaults()


def pytest_configure() -> None:
    """Put temporary files into memory, unless TMPDIR is set or memory is short.

    Every test makes a database and a DATA_DIR. No test depends on a disk: a SIGKILL keeps what the
    kernel holds.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run the tests that share a fixture of their module on one worker."""
    assert isinstance(item, pytest.Function)
    definitions = item._fixtureinfo.name2fixturedefs.values()
    if any(found.scope == "module" for one in definitions for found in one):
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the slow tests first, because they take longest."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_report_header() -> str:
    """The engines of this run."""
    return f"duckdb {duckdb.__version__}, polars {pl.__version__}, python {sys.version.split()[0]}"
