"""The whole API with other times of streams: `python -m tests.api.live_app --port N [--workers N]`.

`BEAT_SECONDS`, `OPEN_SECONDS`, `TOKEN_SECONDS` and `CLIENT_SECONDS` replace the constants of these
names, and a stream's comment has `BEAT_BYTES`. If `HELD_DIR` is set each metric waits as in
`held_app`, and no generation serves before its first answers are computed.
"""

from __future__ import annotations

import argparse
import os
import sys

from litestar import Litestar

from api import connections, protocol, socket_protocol
from api.__main__ import app as whole_app
from api.live import delivery, socket, stream
from api.server import serve
from tests.api.held_app import app as held_app
from tests.patience import raise_limits


def app() -> Litestar:
    """The application; each worker calls this."""
    raise_limits()
    for name, modules in (
        ("BEAT_SECONDS", (delivery,)),
        ("OPEN_SECONDS", (delivery,)),
        ("TOKEN_SECONDS", (socket,)),
        ("CLIENT_SECONDS", (connections, protocol, socket_protocol)),
    ):
        for module in modules:
            if name in os.environ:
                setattr(module, name, float(os.environ[name]))
    if "BEAT_BYTES" in os.environ:
        stream._BEAT = b": %b\n\n" % (b"x" * int(os.environ["BEAT_BYTES"]))
    if "HELD_DIR" not in os.environ:
        return whole_app()
    return held_app()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.api.live_app")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    serve(
        "tests.api.live_app:app",
        port=options.port,
        workers=options.workers,
        connections=int(os.environ.get("API_CONNECTIONS", "1000")),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
