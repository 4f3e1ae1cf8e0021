"""The supervisor: no background task ends while its block lasts, and each ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from api import background
from api.background import Supervisor, TaskState


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that no test has to wait for."""
    monkeypatch.setattr(background, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(background, "_LONGEST_PAUSE_SECONDS", 0.004)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(300):
        while not condition():
            await asyncio.sleep(0.001)


def run(name: str, work: Callable[[], Awaitable[None]], scenario: Callable[..., Any]) -> Any:
    """Run a scenario while a supervisor repeats the task; returns the log lines."""

    async def supervised() -> None:
        supervisor = Supervisor()
        async with supervisor.running(name, work):
            await scenario(supervisor)
        assert supervisor.states == {}

    with structlog.testing.capture_logs() as lines:
        asyncio.run(supervised())
    return lines


def failing_metric(name: str) -> float | None:
    """The gauge of a task."""
    return REGISTRY.get_sample_value("analytics_task_failing", {"task": name})


def test_a_task_that_fails_is_repeated_after_growing_pauses() -> None:
    """Each failure is logged with its traceback, pauses double up to the longest, and a round that
    succeeds makes the task ok and the next pause short again."""
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds <= 4 or rounds == 6:
            raise ValueError(f"round {rounds}")
        await asyncio.sleep(0 if rounds < 7 else 3600)

    async def scenario(supervisor: Supervisor) -> None:
        await until(lambda: rounds == 7)

    lines = run("growing", work, scenario)
    assert [(line["event"], line.get("again_in_seconds")) for line in lines] == [
        ("task.failed", 0.001),
        ("task.failed", 0.002),
        ("task.failed", 0.004),
        ("task.failed", 0.004),
        ("task.recovered", None),
        ("task.failed", 0.001),
    ]
    assert str(lines[0]["exc_info"]) == "round 1"
    assert REGISTRY.get_sample_value("analytics_task_failures_total", {"task": "growing"}) == 5


def test_the_state_of_a_task_is_visible() -> None:
    """While a task fails its state and its gauge say so, and no longer when it has recovered."""
    is_broken = True

    async def work() -> None:
        await asyncio.sleep(0)
        if is_broken:
            raise RuntimeError

    async def scenario(supervisor: Supervisor) -> None:
        nonlocal is_broken
        assert supervisor.states == {"visible": TaskState.OK}
        await until(lambda: supervisor.states["visible"] is TaskState.FAILING)
        assert failing_metric("visible") == 1
        is_broken = False
        await until(lambda: supervisor.states["visible"] is TaskState.OK)
        assert failing_metric("visible") == 0

    run("visible", work, scenario)


def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    """A CancelledError that a library raises does not end the task."""
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise asyncio.CancelledError
        await asyncio.sleep(3600)

    async def scenario(supervisor: Supervisor) -> None:
        await until(lambda: rounds == 2)

    assert [line["event"] for line in run("cancelled", work, scenario)] == ["task.failed"]


@pytest.mark.parametrize("swallowed", [0, 1, 3])
def test_a_task_ends_with_its_block(swallowed: int) -> None:
    """At the end of the block a task ends, also if it swallows cancellations as redis-py does."""
    left = swallowed
    has_begun = asyncio.Event()

    async def work() -> None:
        nonlocal left
        has_begun.set()
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if left == 0:
                    raise
                left -= 1

    async def scenario(supervisor: Supervisor) -> None:
        await has_begun.wait()

    assert run("ending", work, scenario) == []
    assert left == 0


def test_a_task_that_is_paused_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the block does not wait for the pause after a failure."""
    monkeypatch.setattr(background, "_FIRST_PAUSE_SECONDS", 3600.0)
    monkeypatch.setattr(background, "_LONGEST_PAUSE_SECONDS", 3600.0)

    async def work() -> None:
        raise ValueError

    async def scenario(supervisor: Supervisor) -> None:
        await until(lambda: supervisor.states["paused"] is TaskState.FAILING)

    assert [line["event"] for line in run("paused", work, scenario)] == ["task.failed"]
