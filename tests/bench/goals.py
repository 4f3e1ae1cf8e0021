"""The goals, each at one size; at another size, or without its peer, a goal is not measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from olap.manifest import Mode
from tests.bench.api_figures import ApiTimes, percentile
from tests.bench.etl_run import EtlRun
from tests.bench.live_times import LiveTimes
from tests.bench.loads import Loads
from tests.bench.metric_calls import (
    COHORTS,
    COUNTERS_AND_RANKINGS,
    EARLIER_METRICS,
    HEATMAPS,
    NEW_METRICS,
    OTHER_QUESTIONS,
    REPLIES_READS_AND_MIX,
    Scope,
)
from tests.bench.parts import Part, PartName

REACHED, MISSED, NOT_MEASURED = "reached", "missed", "not measured"
_EARLIER = "counters, rankings and timelines"
# Of all tables with five million messages, measured with the version before these rollups.
_TABLE_BYTES_BEFORE = 279.7e6
# The read of a scan at ten million messages by the version that scanned messages four times.
_SCAN_SECONDS_BEFORE = 6.18


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One goal.

    Attributes:
        about: what is measured, for the table.
        part: the part of the bench that measures it.
        at_messages: the size at which it is judged.
        limit: the value to reach or to stay below, in `unit`.
        is_minimum: whether larger is better.
        figures: returns the values of a part, by messenger; None for one that was not measured.
        beside_messages: another size; the values are divided by those that were measured there.
    """

    about: str
    part: PartName
    at_messages: int
    limit: float
    unit: str
    is_minimum: bool
    figures: Callable[[Part], dict[str, float | None]]
    beside_messages: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of a goal for one messenger; `measured` is null when it was not measured."""

    about: str
    messenger: str
    at_messages: int
    limit: float
    unit: str
    is_minimum: bool
    measured: float | None
    verdict: str


def _of_loads(figure: Callable[[Loads], float | None]) -> Callable[[Part], dict[str, float | None]]:
    return lambda part: {loads.name: figure(loads) for loads in part.loads}


def _slowest(
    scope: Scope, metrics: tuple[str, ...], at_days: Callable[[int], bool]
) -> Callable[[Part], dict[str, float | None]]:
    """The slowest call of one scope, by its description."""

    def figures(part: Part) -> dict[str, float | None]:
        times = part.metrics.times if part.metrics else ()
        found = [
            time
            for time in times
            if time.scope is scope and time.metric in metrics and at_days(time.days)
        ]
        if not found:
            return {scope: None}
        slowest = max(found, key=lambda time: time.median_ms)
        return {f"{slowest.about}, {slowest.days} days": slowest.median_ms}

    return figures


def _of_metrics(
    about: str,
    scope: Scope,
    limit: float,
    at_days: Callable[[int], bool],
    metrics: tuple[str, ...] = COUNTERS_AND_RANKINGS,
) -> Goal:
    return Goal(
        about=about,
        part=PartName.METRICS,
        at_messages=50_000_000,
        limit=limit,
        unit="ms",
        is_minimum=False,
        figures=_slowest(scope, metrics, at_days),
    )


def _of_two_windows(
    about: str, scope: Scope, metrics: tuple[str, ...], at_30_days: float, at_365_days: float
) -> Iterator[Goal]:
    """The goals of the windows to 30 and to 365 days, in ms."""
    yield _of_metrics(f"{about} to 30 days", scope, at_30_days, lambda days: days <= 30, metrics)
    yield _of_metrics(f"{about} to 365 days", scope, at_365_days, lambda days: days <= 365, metrics)


def _of_api(
    about: str,
    figures: Callable[[ApiTimes], dict[str, float | None]],
    *,
    at_messages: int = 50_000_000,
    limit: float,
    unit: str,
    is_minimum: bool = False,
) -> Goal:
    return Goal(
        about=about,
        part=PartName.API,
        at_messages=at_messages,
        limit=limit,
        unit=unit,
        is_minimum=is_minimum,
        figures=lambda part: figures(part.api) if part.api else {"everything": None},
    )


def _around_a_switch(api: ApiTimes, *, is_warmed: bool) -> dict[str, float | None]:
    found = [t for t in api.switches.times if t.is_around_switch and t.is_warmed == is_warmed]
    return {f"{api.switches.clients} clients": found[0].p99_ms if found else None}


_OF_LIVE: tuple[tuple[str, float, str, bool, Callable[[LiveTimes], float]], ...] = (
    ("idle streams, of a core", 0.05, "", False, lambda live: live.idle_share),
    ("cached dashboard beside streams", 0.95, "times", True, lambda live: live.rate_beside),
    (
        "from the pointer to the last client of a stream, worst",
        1000,
        "ms",
        False,
        lambda live: max(max(ms) for ms in live.told_ms),
    ),
    ("stop with streams", 3, "s", False, lambda live: live.stop_seconds),
)


def _of_cycles(
    about: str,
    mode: Mode,
    figure: Callable[[EtlRun], float],
    limit: float,
    *,
    unit: str = "s",
    at_messages: int = 50_000_000,
    beside_messages: int | None = None,
) -> Goal:
    """The median over the cycles of one mode."""

    def figures(part: Part) -> dict[str, float | None]:
        found = [figure(cycle) for cycle in part.cycles if cycle.mode is mode]
        return {f"{mode} mode": median(found) if found else None}

    return Goal(
        about=about,
        part=PartName.CYCLES,
        at_messages=at_messages,
        limit=limit,
        unit=unit,
        is_minimum=False,
        figures=figures,
        beside_messages=beside_messages,
    )


def _read_seconds(cycle: EtlRun) -> float:
    return cycle.read_ms / 1000


_OF_CYCLES = (
    _of_cycles("read in slot mode", Mode.SLOT, _read_seconds, 0.5),
    _of_cycles(
        "growth of that read from 2,000,000 messages",
        Mode.SLOT,
        _read_seconds,
        1.3,
        unit="times",
        beside_messages=2_000_000,
    ),
    _of_cycles("publish in slot mode", Mode.SLOT, lambda cycle: cycle.publish_ms / 1000, 0.5),
    _of_cycles("whole cycle in slot mode", Mode.SLOT, lambda cycle: cycle.cycle_ms / 1000, 3.0),
    _of_cycles(
        "read in scan mode",
        Mode.SCAN,
        _read_seconds,
        _SCAN_SECONDS_BEFORE / 2,
        at_messages=10_000_000,
    ),
)


def _in_gb(count: int | None) -> float | None:
    return None if count is None else count / 1e9


GOALS = (
    Goal(
        about="speed of a first load beside the server's COPY",
        part=PartName.LOADS,
        at_messages=5_000_000,
        limit=0.25,
        unit="times",
        is_minimum=True,
        figures=_of_loads(lambda loads: loads.speed_beside_copy),
    ),
    Goal(
        about="speed of a first load beside dlt",
        part=PartName.LOADS,
        at_messages=5_000_000,
        limit=2.0,
        unit="times",
        is_minimum=True,
        figures=_of_loads(lambda loads: loads.speed_beside_dlt),
    ),
    Goal(
        about="speed of a first load beside what two cores allow",
        part=PartName.LOADS,
        at_messages=5_000_000,
        limit=0.85,
        unit="times",
        is_minimum=True,
        figures=_of_loads(lambda loads: loads.speed_beside_two_cores),
    ),
    Goal(
        about="peak memory of a first load",
        part=PartName.LOADS,
        at_messages=5_000_000,
        limit=1.5,
        unit="GB",
        is_minimum=False,
        figures=_of_loads(lambda loads: loads.peak_bytes / 1e9),
    ),
    Goal(
        about="peak memory of a backfill",
        part=PartName.BACKFILL,
        at_messages=20_000_000,
        limit=1.5,
        unit="GB",
        is_minimum=False,
        figures=lambda part: {
            "everything": max(run.peak_bytes for run in part.backfills) / 1e9,
        },
    ),
    *_OF_CYCLES,
    _of_metrics(
        "administrator, counters and rankings to 30 days",
        Scope.ADMINISTRATOR,
        60,
        lambda days: days <= 30,
    ),
    _of_metrics(
        "administrator, counters and rankings to 365 days",
        Scope.ADMINISTRATOR,
        500,
        lambda days: days <= 365,
    ),
    _of_metrics(
        "administrator, timeline in any zone",
        Scope.ADMINISTRATOR,
        60,
        lambda days: days <= 365,
        ("message_timeline",),
    ),
    *(
        _of_metrics(f"{scope}, {_EARLIER}", scope, 60, lambda days: days <= 365, EARLIER_METRICS)
        for scope in (Scope.ONE_CONVERSATION, Scope.ONE_USER, Scope.MEMBER)
    ),
    *(
        goal
        for scope, named, metrics, *limits in (
            (Scope.ADMINISTRATOR, "active_timeline", ("active_timeline",), 100, 300),
            (Scope.ADMINISTRATOR, "heatmaps", HEATMAPS, 20, 150),
            (Scope.ADMINISTRATOR, "lifecycle and retention", COHORTS, 100, 400),
            (Scope.ADMINISTRATOR, "replies, reads and mix", REPLIES_READS_AND_MIX, 50, 200),
            (Scope.ADMINISTRATOR, "other questions", OTHER_QUESTIONS, 50, 200),
            (Scope.ONE_CONVERSATION, "who replies to whom", ("response_matrix",), 50, 200),
        )
        for goal in _of_two_windows(f"{scope}, {named}", scope, metrics, *limits)
    ),
    _of_metrics(
        "member, active people to concentration, to 365 days",
        Scope.MEMBER,
        300,
        lambda days: days <= 365,
        NEW_METRICS,
    ),
    Goal(
        about="growth by the rollups of people, replies and reads",
        part=PartName.METRICS,
        at_messages=5_000_000,
        limit=0.2,
        unit="times",
        is_minimum=False,
        figures=lambda part: {
            "everything": sum(part.metrics.table_bytes.values()) / _TABLE_BYTES_BEFORE - 1
            if part.metrics
            else None,
        },
    ),
    _of_api(
        "cached dashboard beside a bare Litestar handler",
        lambda api: {"requests a second": api.cached.beside_bare},
        at_messages=5_000_000,
        limit=0.8,
        unit="times",
        is_minimum=True,
    ),
    _of_api(
        "uncached dashboard, one client, p95",
        lambda api: {f"{some.days} days": percentile(some.ms, 95) for some in api.uncached},
        limit=200,
        unit="ms",
    ),
    _of_api(
        "page of 22 answers in one batch, 30 days, uncached, p95",
        lambda api: {"one client": percentile(api.page.uncached_ms, 95)},
        limit=1000,
        unit="ms",
    ),
    _of_api(
        "page of 22 answers in one batch, 30 days, cached, p95",
        lambda api: {"one client": percentile(api.page.cached_ms, 95)},
        limit=10,
        unit="ms",
    ),
    _of_api(
        "during a change of generation, warmed keys, p99",
        lambda api: _around_a_switch(api, is_warmed=True),
        limit=500,
        unit="ms",
    ),
    _of_api(
        "during a change of generation, other keys, p99",
        lambda api: _around_a_switch(api, is_warmed=False),
        limit=1500,
        unit="ms",
    ),
    _of_api(
        "peak memory of a worker of the API",
        lambda api: {"after the load": _in_gb(api.switches.peak_bytes)},
        limit=1.0,
        unit="GB",
    ),
    Goal(
        about="others beside 1,150 connections without requests, worst",
        part=PartName.HOSTILE,
        at_messages=100_000,
        limit=1000,
        unit="ms",
        is_minimum=False,
        figures=lambda part: {
            case.about: max(case.ms) for case in part.hostile if case.connections
        },
    ),
    *(
        Goal(
            about=about,
            part=PartName.LIVE,
            at_messages=100_000,
            limit=limit,
            unit=unit,
            is_minimum=is_minimum,
            figures=lambda part, figure=figure: {  # type: ignore[misc]
                "500 streams": figure(part.live) if part.live else None
            },
        )
        for about, limit, unit, is_minimum, figure in _OF_LIVE
    ),
    Goal(
        about="the lake of 1,095 days as Delta tables, processor time of a publication",
        part=PartName.DELTA,
        at_messages=5_000_000,
        limit=100,
        unit="ms",
        is_minimum=False,
        figures=lambda part: {
            "median": median(part.delta.processor_ms) if part.delta else None,
        },
    ),
    *(
        Goal(
            about=f"the page, {about}",
            part=PartName.PAGE,
            at_messages=5_000_000,
            limit=limit,
            unit="ms",
            is_minimum=False,
            figures=lambda part, name=name: {  # type: ignore[misc]
                "median": part.page.middle(name) if part.page else None
            },
        )
        for about, name, limit in (
            ("first chart", "first_chart", 300),
            ("complete", "complete", 800),
            ("script and layout", "work", 150),
        )
    ),
    Goal(
        about="growth of a worker over 2,000 changes of generation",
        part=PartName.SOAK,
        at_messages=100_000,
        limit=10,
        unit="MB",
        is_minimum=False,
        figures=lambda part: {
            "five questions each": part.soak.growth_bytes / 1e6 if part.soak else None,
        },
    ),
)


def judge(parts: Sequence[Part]) -> list[Verdict]:
    """Judge every goal by the part that was measured at its size."""
    return [verdict for goal in GOALS for verdict in _verdicts(goal, parts)]


def _verdicts(goal: Goal, parts: Sequence[Part]) -> list[Verdict]:
    figures = _figures(goal, parts, goal.at_messages)
    if goal.beside_messages is not None:
        beside = _figures(goal, parts, goal.beside_messages)
        figures = {name: _ratio(value, beside.get(name)) for name, value in figures.items()}
    return [
        Verdict(
            about=goal.about,
            messenger=messenger,
            at_messages=goal.at_messages,
            limit=goal.limit,
            unit=goal.unit,
            is_minimum=goal.is_minimum,
            measured=measured,
            verdict=_word(goal, measured),
        )
        for messenger, measured in figures.items()
    ]


def _figures(goal: Goal, parts: Sequence[Part], messages: int) -> dict[str, float | None]:
    found = (part for part in parts if (part.name, part.messages) == (goal.part, messages))
    part = next(found, None)
    return goal.figures(part) if part else {"everything": None}


def _ratio(value: float | None, beside: float | None) -> float | None:
    return value / beside if value and beside else None


def _word(goal: Goal, measured: float | None) -> str:
    if measured is None:
        return NOT_MEASURED
    is_good = measured >= goal.limit if goal.is_minimum else measured < goal.limit
    return REACHED if is_good else MISSED
