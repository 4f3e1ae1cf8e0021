"""Tasks that run beside the requests, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_CANCEL_AGAIN_SECONDS = 0.2


@asynccontextmanager
async def in_background(endless: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
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
