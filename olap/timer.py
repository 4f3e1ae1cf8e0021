"""How long each step of a unit of work took, for its one canonical log line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timer:
    """Milliseconds spent in each step of a unit of work, in order."""

    steps: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time of the block to the step's."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = round((time.perf_counter() - started) * 1000)
            self.steps[name] = self.steps.get(name, 0) + spent
