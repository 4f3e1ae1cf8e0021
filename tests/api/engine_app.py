"""The whole API with an engine that hangs: `python -m tests.api.engine_app --port N`.

Each question creates `started` in the directory `HELD_DIR`, and never ends, also not when its
session is closed.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path

from litestar import Litestar

from api import engine_session
from api.__main__ import app as whole_app
from api.server import serve
from tests.api.file_engine import FileEngine


def app() -> Litestar:
    """The application."""
    engine = FileEngine()

    def hang(metric: str) -> None:
        (Path(os.environ["HELD_DIR"]) / "started").touch()
        threading.Event().wait()

    engine.before = hang
    engine_session.opener = engine.opener
    return whole_app()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.api.engine_app")
    parser.add_argument("--port", type=int, required=True)
    serve("tests.api.engine_app:app", port=parser.parse_args().port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
