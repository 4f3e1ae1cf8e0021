"""The whole API with other limits of connections: `python -m tests.api.limited_app --port N`.

`CLIENT_SECONDS` and `OTHER_FILES` replace the constants of these names, `OPEN_FILES` the soft and
the hard limit of open files; `API_CONNECTIONS`, and `HELD_DIR` of `held_app`, are as usual.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys

from api import connections, protocol, server


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.api.limited_app")
    parser.add_argument("--port", type=int, required=True)
    seconds = float(os.environ["CLIENT_SECONDS"])
    connections.CLIENT_SECONDS = protocol.CLIENT_SECONDS = seconds  # type: ignore[attr-defined]
    if "OTHER_FILES" in os.environ:
        server.OTHER_FILES = int(os.environ["OTHER_FILES"])
    if "OPEN_FILES" in os.environ:
        soft, hard = map(int, os.environ["OPEN_FILES"].split())
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    server.serve(
        "tests.api.held_app:app",
        port=parser.parse_args().port,
        connections=int(os.environ["API_CONNECTIONS"]),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
