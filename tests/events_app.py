"""The events' part of the API, for tests that need nothing else."""

from __future__ import annotations

from litestar import Litestar

from api import problems
from api.auth import AuthenticationMiddleware, Verifier
from api.background import Supervisor
from api.deployment import Deployment
from api.events.handlers import events_router
from api.events.service import Events
from olap.settings import Settings


def app(settings: Settings) -> Litestar:
    """The handlers of the events, with authentication."""
    events = Events(settings, Deployment(settings))
    return Litestar(
        [events_router(events)],
        middleware=[AuthenticationMiddleware(Verifier.from_settings(settings))],
        plugins=[problems.plugin()],
        lifespan=[lambda _: events.running(Supervisor())],
    )
