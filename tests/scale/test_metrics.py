"""Every metric on Sail equals that of DuckDB, on random small worlds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from olap.catalog import Metric, metrics
from olap.warehouse import Warehouse
from tests.effort import examples
from tests.metrics.filled import called, filled_with
from tests.metrics.oracle.world import World
from tests.metrics.random_worlds import arguments, worlds
from tests.scale.filled_engine import FilledEngine

Questions = tuple[World, list[tuple[Metric, dict[str, Any]]]]


@st.composite
def questions(draw: st.DrawFn) -> Questions:
    """A world, and a call of each version of each metric."""
    world, pool = draw(worlds())
    return world, [(metric, draw(arguments(called(metric), world, pool))) for metric in metrics()]


@settings(max_examples=examples(2), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(asked=questions())
def test_every_metric_is_duckdbs(
    asked: Questions, empty_warehouse: Warehouse, filled_engine: FilledEngine
) -> None:
    """On random worlds random calls return equal rows, value by value, in order."""
    assert_equal(asked, empty_warehouse, filled_engine)


@pytest.mark.scale
@pytest.mark.parametrize("portion", range(6))
@settings(max_examples=examples(10), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(asked=questions())
def test_every_metric_is_duckdbs_on_many_worlds(
    portion: int, asked: Questions, empty_warehouse: Warehouse, filled_engine: FilledEngine
) -> None:
    """The same on sixty worlds, in portions that the workers share."""
    assert_equal(asked, empty_warehouse, filled_engine)


def assert_equal(asked: Questions, warehouse: Warehouse, engine: FilledEngine) -> None:
    """Compare the answers of DuckDB and of an engine."""
    world, questions = asked
    with filled_with(warehouse, world) as filled:
        engine.fill(filled.connection)
        for metric, given in questions:
            expected = filled.ask(metric.macro, **given)
            assert engine.ask(filled, metric, given) == expected, (metric.macro, given)
