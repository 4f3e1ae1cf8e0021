"""Every metric on Sail equals that of DuckDB, on generated traffic."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from olap.catalog import metrics
from tests.metrics.filled import Filled, called
from tests.metrics.question_grid import questions
from tests.scale.filled_engine import FilledEngine

# The clocks of New York and of Berlin change in other weeks, those of Lord Howe by half an hour.
ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe")


@pytest.mark.scale
def test_traffic(marked: Path, filled_engine: FilledEngine) -> None:
    """Periods, filters, zones and viewers of 5,000 messages: equal rows in the same order."""
    by_name = {called(metric): metric for metric in metrics()}
    with duckdb.connect(str(marked), read_only=True) as connection:
        filled = Filled(connection)
        filled_engine.fill(connection)
        for place, (name, given) in enumerate(questions(filled)):
            asked = given | ({"tz": ZONES[place % len(ZONES)]} if "tz" in given else {})
            expected = filled.ask(by_name[name].macro, **asked)
            assert filled_engine.ask(filled, by_name[name], asked) == expected, (name, asked)
