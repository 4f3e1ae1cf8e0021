"""The API with two workers, of which a silent one is replaced after five seconds, or after a minute
while it starts.

`python -m tests.api.impatient_supervisor --port N`.
"""

from __future__ import annotations

import argparse
import sys

from api import server


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.api.impatient_supervisor")
    parser.add_argument("--port", type=int, required=True)
    server._SILENT_SECONDS = 5.0
    server._START_SECONDS = 60.0
    server.serve("api.__main__:app", port=parser.parse_args().port, workers=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
