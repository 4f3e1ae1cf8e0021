"""The whole API, in which each metric waits for a file: `python -m tests.api.held_app --port N`.

In the directory `HELD_DIR`: while the file `hold` exists, a metric creates `started` and waits for
`release`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from litestar import Litestar

from api.__main__ import app as whole_app
from api.server import serve
from olap.reader import Rows, Statement
from tests.patience import raise_limits


def app() -> Litestar:
    """The application."""
    raise_limits()
    directory = Path(os.environ["HELD_DIR"])
    run = Statement.run

    def held(self: Statement) -> Rows:
        if (directory / "hold").exists():
            (directory / "started").touch()
            while not (directory / "release").exists():
                time.sleep(0.01)
        return run(self)

    Statement.run = held  # type: ignore[method-assign]
    return whole_app()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.api.held_app")
    parser.add_argument("--port", type=int, required=True)
    serve("tests.api.held_app:app", port=parser.parse_args().port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
