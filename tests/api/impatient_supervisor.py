"""The API with two workers, of which a silent one is replaced after five seconds.

`python -m tests.api.impatient_supervisor --port N`; it prints which workers have started.
"""

from __future__ import annotations

import argparse
import sys

from api import server


class _AnnouncedWorker(server._Worker):
    """A worker whose start is printed."""

    def receive_beats(self) -> None:
        """Note that it lives; the first time, print it."""
        had_started = self.has_started
        super().receive_beats()
        if self.has_started and not had_started:
            print(f"worker {self.process.pid} has started", flush=True)


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.api.impatient_supervisor")
    parser.add_argument("--port", type=int, required=True)
    server._SILENT_SECONDS = 5.0
    server._Worker = _AnnouncedWorker  # type: ignore[misc]
    server.serve("tests.api.patient:app", port=parser.parse_args().port, workers=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
