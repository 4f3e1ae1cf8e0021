"""The events' part of the API alone, for the tests that ask nothing else."""

from __future__ import annotations

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
