"""Asks the metrics: a few threads, a limit of time, and a word about the slow ones.

DuckDB works outside of Python's lock, so threads are enough. There are few of them: more questions
at a time than processors make each slower and all of them later. A question that takes longer than
`QUERY_TIMEOUT_SECONDS`, waiting included, is interrupted and gets 503.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from api.generations import Generation
from api.problems import unavailable
from olap.log import get_logger
from olap.reader import Query, QuestionInterruptedError, Reader, Rows, metric_statement

log = get_logger(__name__)

SLOW_SECONDS = 0.5
_REPEAT_INTERRUPT_SECONDS = 0.05


class Runner:
    """Runs queries in threads of its own."""

    def __init__(
        self,
        reader: Reader,
        *,
        threads: int,
        timeout_seconds: float,
        observe: Callable[[str, float], None] = lambda metric, seconds: None,
    ) -> None:
        """Make the threads.

        Args:
            observe: told each metric that was asked and how many seconds it took.
        """
        self._reader = reader
        self._timeout = timeout_seconds
        self._observe = observe
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="query")

    def close(self) -> None:
        """Begin nothing any more; what runs goes on to its end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def ask(self, generation: Generation, metric: str, parameters: dict[str, Any]) -> Rows:
        """The rows of a metric.

        Raises:
            Problem: 503, it took too long.
            GenerationUnreadableError: the generation's file cannot be read.
        """
        statement = metric_statement(metric, tuple(parameters))
        return await self.run(generation, metric, statement, parameters)

    async def run(
        self, generation: Generation, name: str, statement: str, parameters: dict[str, Any]
    ) -> Rows:
        """The rows of a statement of ours; `name` is what logs and numbers call it.

        Raises:
            Problem: 503, it took too long.
            GenerationUnreadableError: the generation's file cannot be read.
        """
        query = Query(self._reader, generation.schema, statement, parameters)
        begun = time.perf_counter()
        future = asyncio.get_running_loop().run_in_executor(self._pool, query.run)
        try:
            await asyncio.wait([future], timeout=self._timeout)
            while not future.done():
                query.interrupt()
                future.cancel()  # where it still waits for a thread
                await asyncio.wait([future], timeout=_REPEAT_INTERRUPT_SECONDS)
        except asyncio.CancelledError:
            query.interrupt()
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
                    name: str(value) for name, value in parameters.items() if value is not None
                },
            )
        if future.cancelled():
            raise _too_slow()
        try:
            return future.result()
        except QuestionInterruptedError:
            raise _too_slow() from None


def _too_slow() -> Exception:
    return unavailable("This took too long and was ended: ask for a shorter period.", retry_after=5)
