"""No test of the API may depend on the speed of the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api import redis_cache, warmup


@pytest.fixture(scope="session", autouse=True)
def generous_time_limits() -> Iterator[None]:
    """Raise the time limits that only a slow machine reaches when nothing is wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_cache, "TIMEOUT_SECONDS", 60.0)
        patch.setattr(warmup, "_DASHBOARDS_SECONDS", 300.0)
        patch.setattr(warmup, "_RECENT_SECONDS", 300.0)
        yield
