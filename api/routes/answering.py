"""What all controllers share: from a question to a response, and who is charged for computing."""

from __future__ import annotations

from typing import Any, TypeVar

from litestar import Request, Response
from litestar.exceptions import TooManyRequestsException
from litestar.types import ASGIApp, Receive, Scope, Send

from api.cache import Entry, NotStartedError, Source
from api.desk import Desk
from api.front import Front, send_entry
from api.limits import Limits
from api.questions import Asked

T = TypeVar("T")


class Reply(Response[T]):
    """An answer as the cache keeps it, where Litestar expects a response."""

    def __init__(self, entry: Entry, source: Source) -> None:
        super().__init__(content=None, status_code=entry.status)  # type: ignore[arg-type]
        self._entry = entry
        self._source = source

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        """What sends the bytes: nothing that Litestar could add belongs into an answer."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send_entry(scope, send, self._entry, self._source)

        return app


class TooManyComputationsError(NotStartedError):
    """Whoever asks has used up what may be computed for him; others are not concerned."""


class Answering:
    """Answers requests, charges for computing, and remembers what their URLs meant."""

    def __init__(self, desk: Desk, front: Front, limits: Limits) -> None:
        self._desk = desk
        self._front = front
        self._limits = limits

    async def reply(
        self, request: Request[Any, Any, Any], asked: Asked, pin: int | None
    ) -> Reply[Any]:
        """The answer to a question.

        Raises:
            Problem: there is no answer, and why.
            TooManyRequestsException: it must be computed, and the asker has had enough of that.
        """
        subject = request.scope["user"].subject

        def charge() -> None:
            try:
                self._limits.charge_computation(subject)
            except TooManyRequestsException as error:
                raise TooManyComputationsError from error

        try:
            entry, source = await self._desk.answer(asked, pin=pin, charge=charge)
        except TooManyComputationsError as error:
            assert error.__cause__ is not None
            raise error.__cause__ from None
        if pin is None:
            self._front.put(request.scope, asked)
        return Reply(entry, source)
