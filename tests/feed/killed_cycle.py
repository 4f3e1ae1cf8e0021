"""One cycle of the environment's settings that kills itself: `python -m tests.feed.killed_cycle`.

Its argument is the moment: `before the commit` of the batch, `before the advance` of the feed, or
`after the advance`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import etl.reconcile
import olap.fold
from etl.cycle import run_cycle
from olap.settings import Settings


def main() -> None:
    """Run the cycle until its moment."""
    kills: dict[str, Callable[[], None]] = {
        "before the commit": lambda: _kill_after(olap.fold, "_record"),
        "before the advance": lambda: _kill_after(etl.reconcile, "fold"),
        "after the advance": lambda: _kill_after(etl.reconcile, "advance"),
    }
    kills[sys.argv[1]]()
    settings = Settings.from_env(os.environ)
    assert settings.database_url is not None
    run_cycle(settings, settings.database_url, lambda: datetime.now(UTC))


def _kill_after(module: Any, name: str) -> None:
    """Let this process be killed when a function of a module has returned."""
    original = getattr(module, name)

    def killed(*arguments: Any, **options: Any) -> None:
        original(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, name, killed)


if __name__ == "__main__":
    main()
