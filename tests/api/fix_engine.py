"""Fixtures of the engine that answers long periods."""

from __future__ import annotations

from typing import Any

import pytest

from api import engine_session
from olap.secret import Hidden
from tests.api.file_engine import FileEngine

# What makes an application ask it whenever there is a period.
ALWAYS: dict[str, Any] = {
    "engine_url": Hidden("sail"),
    "engine_above_days": 0,
    "engine_timeout_seconds": 600,
}


@pytest.fixture
def file_engine(monkeypatch: pytest.MonkeyPatch) -> FileEngine:
    """The engine of every application that is made from now on with an ENGINE_URL."""
    engine = FileEngine()
    monkeypatch.setattr(engine_session, "opener", engine.opener)
    return engine
