"""The list of fixture modules (`fix_*`), the order of the tests, and the temporary directory."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import httpx
import polars as pl
import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.effort import FAST
from tests.patience import raise_limits

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
    "tests.api.fix_engine",
    "tests.page.fix_browser",
    "tests.page.fix_community",
    "tests.scale.fix_engine",
    "tests.scale.fix_scale",
]

MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 6_000_000_000

# Its five seconds would be a limit to the speed of the machine.
_TIMEOUT = inspect.signature(httpx.get).parameters["timeout"].default
for _part in ("connect", "read", "write", "pool"):
    setattr(_TIMEOUT, _part, 300.0)

raise_limits()

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


def pytest_configure(config: pytest.Config) -> None:
    """Print failures at once, and put temporary files into memory."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(FailuresAtOnce(config))
    _use_memory()


def _use_memory() -> None:
    """Put temporary files into memory, unless TMPDIR is set or memory is short.

    Every test makes a database and a DATA_DIR. No test depends on a disk: a SIGKILL keeps what the
    kernel holds.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


class FailuresAtOnce:
    """Prints each failure when it happens: a run that is ended by a time limit has no summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called in the process that prints, after each step of a test."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.ensure_newline()
            terminal.write_sep("_", f"{report.nodeid} failed ({report.when})", red=True)
            terminal.write_line(report.longreprtext)


class ModuleScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Sends the tests of a module with fixtures of its scope to one worker, and others to any.

    `--dist=loadgroup` is for that, but xdist 3.8 then renames tests in a way that pytest 9.2 does
    not see, and every worker makes these fixtures.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _has_fixtures(file) else nodeid


@cache
def _has_fixtures(file: str) -> bool:
    """Whether a test module has fixtures of its scope, or the browser and its API, which are."""
    text = (Path(__file__).parent.parent / file).read_text(encoding="utf-8")
    own = re.search(r"@pytest\.fixture\([^)]*scope=\"module\"", text)
    return own is not None or "tests.page.fix_browser" in text


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ModuleScheduling:
    """Distribute the tests to the workers."""
    return ModuleScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `make test-scale` runs; start the slow tests first: they take longest."""
    if "scale" not in str(config.getoption("markexpr")):
        left_out = [item for item in items if item.get_closest_marker("scale")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("scale")]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_report_header() -> str:
    """The engines of this run."""
    return f"duckdb {duckdb.__version__}, polars {pl.__version__}, python {sys.version.split()[0]}"
