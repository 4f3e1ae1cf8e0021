"""The events' part of the API as a process of its own: `python -m tests.events_app <fd>`."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn
from litestar import Litestar

from api import problems
from api.events.routes import events_router
from api.events.service import Events
from api.identity import IdentityMiddleware, Verifier
from olap.settings import Settings


def app(settings: Settings) -> Litestar:
    """Nothing but the routes of the events, and who may use them."""
    events = Events(settings)
    return Litestar(
        [events_router(events)],
        middleware=[IdentityMiddleware(Verifier.from_settings(settings))],
        plugins=[problems.plugin()],
        lifespan=[lambda _: events.running()],
    )


if __name__ == "__main__":
    config = uvicorn.Config(
        app(Settings.from_env(os.environ)), log_level="warning", access_log=False
    )
    # Not `fd=`: uvicorn takes that for a Unix socket, and answers then wait 40 ms for each other.
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
