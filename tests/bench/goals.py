"""What was promised, and at which size; at another size, or without its peer, not measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.loads import Loads

REACHED, MISSED, NOT_MEASURED = "reached", "missed", "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One promise about a first load.

    Attributes:
        about: what is measured, for the table.
        at_messages: the size it is stated at.
        limit: the value to reach or to stay below, in `unit`.
        is_minimum: whether larger is better.
        figure: takes the value out of the loads of a messenger; None when it was not measured.
    """

    about: str
    at_messages: int
    limit: float
    unit: str
    is_minimum: bool
    figure: Callable[[Loads], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a goal on one messenger; `measured` is null when it was not measured."""

    about: str
    messenger: str
    at_messages: int
    limit: float
    unit: str
    is_minimum: bool
    measured: float | None
    verdict: str


GOALS = (
    Goal(
        about="speed of a first load beside the server's COPY",
        at_messages=5_000_000,
        limit=0.25,
        unit="times",
        is_minimum=True,
        figure=lambda loads: loads.speed_beside_copy,
    ),
    Goal(
        about="speed of a first load beside dlt",
        at_messages=5_000_000,
        limit=2.0,
        unit="times",
        is_minimum=True,
        figure=lambda loads: loads.speed_beside_dlt,
    ),
    Goal(
        about="peak memory of a first load",
        at_messages=5_000_000,
        limit=1.5,
        unit="GB",
        is_minimum=False,
        figure=lambda loads: loads.peak_bytes / 1e9,
    ),
)


def judge(loads: Loads) -> list[Verdict]:
    """Every goal, held against the first loads of one messenger."""
    return [_verdict(goal, loads) for goal in GOALS]


def _verdict(goal: Goal, loads: Loads) -> Verdict:
    is_stated_size = loads.rows["messages"] == goal.at_messages
    measured = goal.figure(loads) if is_stated_size else None
    return Verdict(
        about=goal.about,
        messenger=loads.name,
        at_messages=goal.at_messages,
        limit=goal.limit,
        unit=goal.unit,
        is_minimum=goal.is_minimum,
        measured=measured,
        verdict=_word(goal, measured),
    )


def _word(goal: Goal, measured: float | None) -> str:
    if measured is None:
        return NOT_MEASURED
    is_good = measured >= goal.limit if goal.is_minimum else measured < goal.limit
    return REACHED if is_good else MISSED
