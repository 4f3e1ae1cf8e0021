"""Tasks that run beside the requests, and are never lost: a supervisor repeats each of them.

A task is a function that does one **round** of its work and returns. When a round fails, it is
logged, and the next one begins after a pause that grows from one second to one minute with each
failure in a row. `/health/ready` and `/metrics` show which tasks fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

from api import telemetry
from olap.log import get_logger

log = get_logger(__name__)

_CANCEL_AGAIN_SECONDS = 0.2
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0

Round = Callable[[], Awaitable[None]]


class TaskState(StrEnum):
    """How the last round of a task ended; before the first one `ok`."""

    OK = "ok"
    FAILING = "failing"


class Supervisor:
    """Runs tasks until their blocks end; a failure of one is never the end of it.

    Attributes:
        states: the state of each running task, by its name.
    """

    def __init__(self) -> None:
        self.states: dict[str, TaskState] = {}

    @asynccontextmanager
    async def running(self, name: str, work: Round) -> AsyncIterator[None]:
        """Within the block, repeat the task.

        Args:
            name: in the log, the metrics and the health.
            work: one round; it waits for what it works on, or for its time.
        """
        self._note(name, TaskState.OK)
        try:
            async with _in_background(self._repeat(name, work)):
                yield
        finally:
            del self.states[name]

    async def _repeat(self, name: str, work: Round) -> None:
        task = asyncio.current_task()
        assert task is not None
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await work()
            except (Exception, asyncio.CancelledError) as error:
                # A library may raise a CancelledError of its own, which nobody asked for.
                if task.cancelling():
                    raise
                log.error("task.failed", task=name, again_in_seconds=pause, exc_info=error)
                telemetry.TASK_FAILURES.labels(name).inc()
                self._note(name, TaskState.FAILING)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                pause = _FIRST_PAUSE_SECONDS
                if self.states[name] is not TaskState.OK:
                    log.info("task.recovered", task=name)
                    self._note(name, TaskState.OK)

    def _note(self, name: str, state: TaskState) -> None:
        self.states[name] = state
        telemetry.TASK_FAILING.labels(name).set(state is TaskState.FAILING)


@asynccontextmanager
async def _in_background(endless: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `endless` within the block; at its end the task is cancelled and has ended.

    It is cancelled repeatedly, because redis-py sometimes swallows the cancellation during a
    command: a loop around that command would go on, and the shutdown would wait forever.
    """
    task = asyncio.create_task(endless)
    try:
        yield
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_CANCEL_AGAIN_SECONDS)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
