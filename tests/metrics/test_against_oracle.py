"""Every metric equals a naive implementation, on random small worlds."""

from __future__ import annotations

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from olap.catalog import metrics
from olap.warehouse import Warehouse
from tests.effort import examples
from tests.metrics import oracle
from tests.metrics.filled import called, expected, filled_with
from tests.metrics.oracle.world import World
from tests.metrics.random_worlds import PARAMETERS, arguments, worlds


@st.composite
def questions(draw: st.DrawFn) -> tuple[World, list[tuple[str, dict[str, Any]]]]:
    """A world, and three calls of each metric."""
    world, pool = draw(worlds())
    return world, [
        (metric, draw(arguments(metric, world, pool))) for metric in PARAMETERS for _ in range(3)
    ]


@settings(max_examples=examples(20), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(asked=questions())
def test_every_metric_is_the_oracles(
    asked: tuple[World, list[tuple[str, dict[str, Any]]]], empty_warehouse: Warehouse
) -> None:
    """On random worlds random calls return equal rows, field by field, in order."""
    world, questions = asked
    with filled_with(empty_warehouse, world) as filled:
        for metric, arguments in questions:
            answer = oracle.metric(metric)(world, **arguments)
            assert filled.ask(metric, **arguments) == expected(answer), (metric, arguments)


def test_the_oracle_knows_every_metric() -> None:
    """The oracle and the strategies cover every version of every metric."""
    names = {called(metric) for metric in metrics()}
    assert names == set(PARAMETERS)
    assert all(callable(oracle.metric(name)) for name in names)
