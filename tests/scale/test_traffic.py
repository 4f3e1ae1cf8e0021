"""Every metric on Sail equals that of DuckDB, on generated traffic."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from olap.catalog import Metric, metrics
from tests.metrics.filled import Filled, called
from tests.metrics.question_grid import questions
from tests.scale.filled_engine import FilledEngine

# The clocks of New York and of Berlin change in other weeks, those of Lord Howe by half an hour.
ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe")


@pytest.mark.scale
@pytest.mark.parametrize("metric", metrics(), ids=called)
def test_traffic(metric: Metric, marked: Path, filled_engine: FilledEngine) -> None:
    """Periods, filters, zones and viewers of 5,000 messages: equal rows in the same order."""
    with duckdb.connect(str(marked), read_only=True) as connection:
        filled = Filled(connection)
        filled_engine.fill(connection)
        asked = [given for name, given in questions(filled) if name == called(metric)]
        assert asked
        for place, given in enumerate(asked):
            if "tz" in given:
                given["tz"] = ZONES[place % len(ZONES)]
            expected = filled.ask(metric.macro, **given)
            assert filled_engine.ask(filled, metric, given) == expected, given
