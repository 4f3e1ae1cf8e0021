"""Runs metrics on a few threads, with a time limit, and logs the slow ones.

DuckDB releases Python's lock while it runs, so threads are enough. There are few of them, because
more queries at a time than processors make each of them slower. A query that takes longer than
`QUERY_TIMEOUT_SECONDS`, waiting for a thread included, is interrupted and returns 503.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from api.generations import Generation
from api.problems import Problem, unavailable
from olap.errors import GenerationDamagedError, StatementInterruptedError
from olap.log import cut, get_logger
from olap.reader import Reader, Rows, Statement, metric_statement

log = get_logger(__name__)

SLOW_SECONDS = 0.5
_REPEAT_INTERRUPT_SECONDS = 0.05
_LOGGED_LENGTH_MAX = 100


class Executor:
    """Runs statements on threads of its own."""

    def __init__(
        self,
        reader: Reader,
        *,
        threads: int,
        timeout_seconds: float,
        observe: Callable[[str, float], None] = lambda metric, seconds: None,
    ) -> None:
        """Create the threads.

        Args:
            observe: receives the name of each metric that ran, and its seconds.

        Attributes:
            threads: how many statements run at the same time.
            on_damage: receives a generation whose file is damaged, and how that showed.
        """
        self._reader = reader
        self.threads = threads
        self._timeout = timeout_seconds
        self._observe = observe
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="query")
        self.on_damage: Callable[[Generation, str], None] = lambda generation, reason: None

    def close(self) -> None:
        """Start nothing more, and wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def ask(self, generation: Generation, metric: str, parameters: dict[str, Any]) -> Rows:
        """The rows of a metric.

        Raises:
            Problem: 503, it took too long.
            GenerationUnreadableError: the generation's file cannot be read.
        """
        text = metric_statement(metric, tuple(parameters))
        return await self.run(generation, metric, text, parameters)

    async def run(
        self, generation: Generation, name: str, text: str, parameters: dict[str, Any]
    ) -> Rows:
        """The rows of a statement; `name` stands for it in the log and in Prometheus metrics.

        Raises:
            Problem: 503, it took too long.
            GenerationUnreadableError: the generation's file cannot be read.
        """
        statement = Statement(self._reader, generation.schema, text, parameters)
        begun = time.perf_counter()
        future = asyncio.get_running_loop().run_in_executor(self._pool, statement.run)
        try:
            await asyncio.wait([future], timeout=self._timeout)
            while not future.done():
                statement.interrupt()
                future.cancel()  # if it still waits for a thread
                await asyncio.wait([future], timeout=_REPEAT_INTERRUPT_SECONDS)
        except asyncio.CancelledError:
            statement.interrupt()
            raise
        seconds = time.perf_counter() - begun
        self._observe(name, seconds)
        if seconds >= SLOW_SECONDS:
            log.warning(
                "query.slow",
                metric=name,
                generation=generation.number,
                ms=round(seconds * 1000),
                parameters={
                    name: cut(str(value), _LOGGED_LENGTH_MAX)
                    for name, value in parameters.items()
                    if value is not None
                },
            )
        if future.cancelled():
            raise _too_slow()
        try:
            return future.result()
        except StatementInterruptedError:
            raise _too_slow() from None
        except GenerationDamagedError as error:
            self.on_damage(generation, error.message)
            raise


def _too_slow() -> Problem:
    return unavailable(
        "This took too long and was interrupted: ask for a shorter period.", retry_after=5
    )
