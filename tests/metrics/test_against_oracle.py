"""Every metric is what a naive reading of the requirement gives, on random small worlds."""

from __future__ import annotations

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from olap.catalog import metrics
from olap.warehouse import Warehouse
from tests.effort import examples
from tests.metrics import oracle
from tests.metrics.ground import expected, ground_of
from tests.metrics.worlds import PARAMETERS, arguments, worlds


@st.composite
def questions(draw: st.DrawFn) -> tuple[oracle.World, list[tuple[str, dict[str, Any]]]]:
    """A world, and three questions to each metric."""
    world, pool = draw(worlds())
    return world, [
        (metric, draw(arguments(metric, world, pool))) for metric in PARAMETERS for _ in range(3)
    ]


@settings(max_examples=examples(30), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(asked=questions())
def test_every_metric_is_the_oracles(
    asked: tuple[oracle.World, list[tuple[str, dict[str, Any]]]], empty_warehouse: Warehouse
) -> None:
    """On random worlds the answers to random questions are equal, field by field, in order."""
    world, questions = asked
    with ground_of(empty_warehouse, world) as ground:
        for metric, arguments in questions:
            answer = getattr(oracle, metric)(world, **arguments)
            assert ground.ask(metric, **arguments) == expected(answer), (metric, arguments)


def test_the_oracle_knows_every_metric() -> None:
    """There is no metric that the oracle, or the questions, leave out."""
    names = {metric.name for metric in metrics()}
    assert names == set(PARAMETERS)
    assert {name for name in names if not hasattr(oracle, name)} == set()
