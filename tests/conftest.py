"""Fixtures live in the `fix_*` modules; this list is all there is to find them."""

from __future__ import annotations

import sys

import duckdb
import polars as pl
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.fix_postgres",
    "tests.fix_valkey",
    "tests.fix_pipeline",
    "tests.fix_proxy",
    "tests.metrics.fix_metrics",
    "tests.api.fix_api",
]

# The databases are real, so an example takes as long as it takes; failures repeat all the same.
settings.register_profile(
    "house",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("house")


def pytest_report_header() -> str:
    """Say with which engines the suite runs."""
    return f"duckdb {duckdb.__version__}, polars {pl.__version__}, python {sys.version.split()[0]}"
