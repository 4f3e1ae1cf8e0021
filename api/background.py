"""Work that goes on beside the requests, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_AGAIN_SECONDS = 0.2


@asynccontextmanager
async def in_background(endless: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Within the block `endless` runs; at its end it is cancelled, and has ended.

    It is cancelled again and again, because redis-py now and then swallows the exception in the
    middle of a command: a loop around it would go on, and the shutdown wait for ever.
    """
    task = asyncio.create_task(endless)
    try:
        yield
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_AGAIN_SECONDS)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
