"""The API, which notices a new generation at once: `python -m tests.bench.hurried --port N`."""

from __future__ import annotations

import argparse
import sys

from litestar import Litestar

from api.__main__ import app as whole_app
from api.generations import Generations
from api.server import serve

_POLL_SECONDS = 0.05


def app() -> Litestar:
    """The application."""
    assert Generations.__init__.__kwdefaults__ is not None
    Generations.__init__.__kwdefaults__["poll_seconds"] = _POLL_SECONDS
    return whole_app()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hurried")
    parser.add_argument("--port", type=int, required=True)
    serve("tests.bench.hurried:app", port=parser.parse_args().port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
