"""`python -m api` with the time limits of `tests.patience`: `python -m tests.api.patient …`."""

from __future__ import annotations

import sys
from typing import Any

from litestar import Litestar

from api import __main__ as command
from api.server import serve
from tests.patience import raise_limits


def app() -> Litestar:
    """The application for this environment; each worker calls this."""
    raise_limits()
    return command.app()


def _serve(_: str, **options: Any) -> None:
    serve("tests.api.patient:app", **options)


if __name__ == "__main__":
    vars(command)["serve"] = _serve
    sys.exit(command.main())
