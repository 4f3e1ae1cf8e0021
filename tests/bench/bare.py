"""The reference for the API's speed: a Litestar handler that returns constant bytes.

`python -m tests.bench.bare --port 8001` serves the bytes of the file `BARE_BODY` under the
dashboard's path: one handler, no token, no log, no limit, no metrics. The server is uvicorn as it
comes, with the settings of the API, so the reference does not move when `api.server` does.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import uvicorn
from litestar import Litestar, get

from api.app import PREFIX


def app() -> Litestar:
    """The application: the handler, and a readiness probe."""
    body = Path(os.environ["BARE_BODY"]).read_bytes()

    @get(f"{PREFIX}/dashboard", media_type="application/json")
    async def dashboard() -> bytes:
        return body

    @get("/health/ready")
    async def ready() -> bytes:
        return b""

    return Litestar([dashboard, ready], openapi_config=None, logging_config=None)


def main() -> int:
    """Serve until the process receives a signal."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bare")
    parser.add_argument("--port", type=int, required=True)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again after the stop
    uvicorn.run(
        app(),
        port=parser.parse_args().port,
        loop="asyncio",
        http="h11",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
