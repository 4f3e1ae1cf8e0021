"""A circuit breaker: whether something that may be away is asked.

After a failure nothing is asked, except for one try at a time, after a pause that grows from five
seconds to one minute. An answer ends that.
"""

from __future__ import annotations

from collections.abc import Callable

from olap.log import get_logger

log = get_logger(__name__)

_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 60.0


class Breaker:
    """Whether the engine is asked.

    Attributes:
        is_open: whether it is away.
        is_trying: whether one question tries, while it is away.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_pause = _FIRST_PAUSE_SECONDS
        self._retry_at = 0.0
        self.is_open = False
        self.is_trying = False

    @property
    def pause(self) -> float:
        """Seconds until the next try."""
        return max(0.0, self._retry_at - self._clock()) if self.is_open else 1.0

    def allows(self) -> bool:
        """Whether to ask now; while it is away, one try when the pause is over."""
        if not self.is_open:
            return True
        if self.is_trying or self._clock() < self._retry_at:
            return False
        self.is_trying = True
        return True

    def succeeded(self) -> None:
        """Record that the engine has answered."""
        if self.is_open:
            log.info("engine.back")
        self.is_open, self._next_pause = False, _FIRST_PAUSE_SECONDS

    def failed(self, error: str) -> None:
        """Record a failure."""
        if not self.is_open:
            log.warning("engine.away", error=error)
        self.is_open = True
        self._retry_at = self._clock() + self._next_pause
        self._next_pause = min(2 * self._next_pause, _LONGEST_PAUSE_SECONDS)
