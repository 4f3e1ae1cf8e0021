"""The guard of handlers: who may send a request, and with which parameters."""

from __future__ import annotations

from collections import Counter
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from api.auth import Role, require_role
from api.problems import bad_parameter

# Litestar takes the text null for a parameter that is not given. These are texts, so null is one.
_MAY_BE_NULL = frozenset({"conversation_id", "user_id_filter", "ask"})


def only_for(
    *roles: Role,
    parameters: frozenset[str] = frozenset(),
    repeated: frozenset[str] = frozenset(),
) -> Guard:
    """A guard: other roles get 403, and other query parameters 400.

    An unknown parameter is an error, because ignoring it would answer a different question.

    Args:
        repeated: the parameters that may be given more than once.
    """
    has = f"has {', '.join(sorted(parameters))}" if parameters else "has none"

    # Litestar runs a guard that is not `async` in a thread.
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        require_role(connection.scope["user"], *roles)
        pairs = list(connection.query_params.multi_items())
        given = Counter(name for name, _ in pairs)
        for name, times in given.items():
            if name not in parameters:
                raise bad_parameter(name, f"is not a parameter of this endpoint, which {has}")
            if times > 1 and name not in repeated:
                raise bad_parameter(name, "is given more than once")
        for name, value in pairs:
            if name not in _MAY_BE_NULL and value.lower() == "null":
                raise bad_parameter(name, "must not be null: leave it out")

    return guard
