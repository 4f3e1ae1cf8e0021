"""Every metric a second time: naive Python over plain rows, written from the requirement.

It shares nothing with the product: no import from `olap`, no file of `sql/`, time zones from
`zoneinfo`. A metric is a function of a module in `SUBJECTS`, with the name, the parameters and the
result columns of its macro: its bare name for the newest version, with `_vN` for an earlier one.

A comment *departs* marks where a metric differs from the letter of the requirement, *decides* where
the requirement is silent.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.metrics.oracle import basics, growth, replies, volume
from tests.metrics.oracle.world import Row

SUBJECTS = (basics, growth, replies, volume)


def metric(name: str) -> Callable[..., list[Row]]:
    """The function of a metric.

    Raises:
        KeyError: there is none.
    """
    for subject in SUBJECTS:
        found: Callable[..., list[Row]] | None = getattr(subject, name, None)
        if found is not None and found.__module__ == subject.__name__:
            return found
    raise KeyError(name)
