"""How many random examples a test draws.

`make test-fast` and CI use the Hypothesis profile `fast`, in which random tests draw a quarter of
their examples. Their claims are the same.
"""

from __future__ import annotations

from hypothesis import settings

FAST = "fast"


def examples(number: int) -> int:
    """The number of examples in this run, at least one."""
    return max(number // 4, 1) if settings.get_current_profile_name() == FAST else number
