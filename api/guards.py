"""The guard of handlers: who may send a request, and with which parameters."""

from __future__ import annotations

from collections import Counter
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from api.auth import Role, require_role
from api.problems import bad_parameter


def only_for(*roles: Role, parameters: frozenset[str] = frozenset()) -> Guard:
    """A guard: other roles get 403, and other query parameters 400.

    An unknown parameter is an error, because ignoring it would answer a different question.
    """
    has = f"has {', '.join(sorted(parameters))}" if parameters else "has none"

    # Litestar runs a guard that is not `async` in a thread.
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        require_role(connection.scope["user"], *roles)
        given = Counter(name for name, _ in connection.query_params.multi_items())
        for name, times in given.items():
            if name not in parameters:
                raise bad_parameter(name, f"is not a parameter of this endpoint, which {has}")
            if times > 1:
                raise bad_parameter(name, "is given more than once")

    return guard
