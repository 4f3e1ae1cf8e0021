"""The questions of the requirement, each under its documented path."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.exceptions import TooManyRequestsException

from api import answers, recipes
from api.cache import NotStartedError
from api.desk import Desk
from api.front import Front, Reply
from api.identity import Role, only_for
from api.limits import Limits
from api.questions import Asked
from api.routes.parameters import Bots, Pin, Tz
from api.windows import Period


class TooManyComputationsError(NotStartedError):
    """Whoever asks has used up what may be computed for him; others are not concerned."""


class Answering:
    """What the controllers share: the desk, what URLs mean, and who is charged."""

    def __init__(self, desk: Desk, front: Front, limits: Limits) -> None:
        self.desk = desk
        self.front = front
        self.limits = limits

    async def reply(
        self, request: Request[Any, Any, Any], asked: Asked, pin: int | None
    ) -> Reply[Any]:
        """The answer to a question."""
        subject = request.scope["user"].subject

        def charge() -> None:
            try:
                self.limits.charge_computation(subject)
            except TooManyRequestsException as error:
                raise TooManyComputationsError from error

        try:
            entry, source = await self.desk.answer(asked, pin=pin, charge=charge)
        except TooManyComputationsError as error:
            assert error.__cause__ is not None
            raise error.__cause__ from None
        if pin is None:
            self.front.put(request.scope, asked)
        return Reply(entry, source)


def _viewer(request: Request[Any, Any, Any]) -> Any:
    return request.scope["user"].viewer


class AnalyticsController(Controller):
    """Reads of `/api/v1/messenger/analytics`."""

    path = "/"
    tags = ("analytics",)
    guards = (only_for(Role.ADMIN, Role.MEMBER),)

    @get("/dashboard", summary="Comprehensive dashboard")
    async def dashboard(
        self,
        request: Request[Any, Any, Any],
        answering: NamedDependency[Answering],
        period_90: NamedDependency[Period],
        tz: Tz = "UTC",
        include_bots: Bots = True,
        generation: Pin = None,
    ) -> Reply[answers.Dashboard]:
        """Message statistics, engagement, who was active, who wrote most, and a daily timeline."""
        asked = Asked(
            subject=recipes.DASHBOARD,
            viewer=_viewer(request),
            period=period_90,
            include_bots=include_bots,
            parameters={"tz": tz},
        )
        return await answering.reply(request, asked, generation)
