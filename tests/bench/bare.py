"""The reference that the API's speed is held against: Litestar answering bytes that it has.

`python -m tests.bench.bare --port 8001` serves the bytes of the file `BARE_BODY` under the
dashboard's path: one handler, no token, no log, no limit, nothing counted. The server is the API's
own, with the same settings.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from litestar import Litestar, get

from api.__main__ import serve
from api.app import PREFIX


def app() -> Litestar:
    """The application: one handler, and one to see that it is up."""
    body = Path(os.environ["BARE_BODY"]).read_bytes()

    @get(f"{PREFIX}/dashboard", media_type="application/json")
    async def dashboard() -> bytes:
        return body

    @get("/health/ready")
    async def ready() -> bytes:
        return b""

    return Litestar([dashboard, ready], openapi_config=None, logging_config=None)


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bare")
    parser.add_argument("--port", type=int, required=True)
    serve("tests.bench.bare:app", port=parser.parse_args().port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
