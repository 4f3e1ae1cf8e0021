"""Time limits of the product that only a slow machine reaches when nothing is wrong.

No test depends on the speed of the machine: the process of each test, and the servers of
`tests.api.servers` and `tests.own_servers`, run with these. A test of a limit sets it itself.
"""

from __future__ import annotations

import importlib
from typing import Final

LIMITS: Final = {
    "api.redis_cache.TIMEOUT_SECONDS": 60.0,
    "api.limits._REDIS_TIMEOUT_SECONDS": 60.0,
    "api.warmup._DASHBOARDS_SECONDS": 300.0,
    "api.warmup._RECENT_SECONDS": 300.0,
    "api.live.recent._TIMEOUT_SECONDS": 60.0,
    "api.events.feed._TIMEOUT_SECONDS": 60.0,
    "api.events.queue._CONNECT_SECONDS": 60.0,
    "api.events.queue._FSYNC_MILLISECONDS": 60_000,
    "api.events.queue._TIMEOUT_SECONDS": 60.0,
    "api.events.table._STATEMENT_SECONDS": 60.0,
    "api.events.table._ANSWER_SECONDS": 60.0,
    "api.events.writer._REQUEST_SECONDS": 60.0,
    "etl.feed.facts._SECONDS_MAX": 60,
}


def raise_limits() -> None:
    """Raise them in this process."""
    for name, value in LIMITS.items():
        path, _, constant = name.rpartition(".")
        module = importlib.import_module(path)
        assert hasattr(module, constant), f"{name} has another name now"
        setattr(module, constant, value)
