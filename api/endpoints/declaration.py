"""How an endpoint is declared, and the check of filters that several endpoints share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, get_args, get_type_hints

import msgspec

from api.problems import not_found
from api.query import Ask, BoundQuery, Endpoint, Window
from olap.ids import Id


def endpoint(
    path: str,
    summary: str,
    *,
    metrics: tuple[str, ...],
    checks: tuple[str, ...] = (),
    tags: tuple[str, ...] = ("analytics",),
) -> Callable[[Callable[[Ask, Any], Awaitable[msgspec.Struct]]], Endpoint]:
    """Declare an endpoint; its parameters and its answer are those of the function's signature.

    Args:
        metrics: the metric versions whose numbers the answer shows.
        checks: the metric versions that only check whether an id of a filter exists.
    """

    def declare(compute: Callable[[Ask, Any], Awaitable[msgspec.Struct]]) -> Endpoint:
        hints = get_type_hints(compute)
        (parameters,) = get_args(hints["query"])
        return Endpoint(
            path=path,
            summary=summary,
            name=compute.__name__,
            metrics=(*metrics, *checks),
            checks=checks,
            parameters=parameters,
            answer=hints["return"],
            compute=compute,
            tags=tags,
        )

    return declare


# The metrics that show a conversation and a person. Filters by id check with them, so that an id
# that has an answer on its own endpoint has one as a filter, and no other id has.
EXISTS = ("conversation_stats_v1", "user_activity_v1")


async def require_filters(
    ask: Ask, query: BoundQuery[Any], conversation: Id | None, person: Id | None = None
) -> None:
    """404 if a filter names what does not exist or what the viewer may not see."""
    if conversation is not None and not await ask(
        "conversation_stats_v1", for_conversation=conversation, **query.scope
    ):
        raise not_found()
    if person is None or person == query.viewer:
        return
    # An empty period: the row says whether the person exists, and nothing is counted.
    now = Window(query.data_through, query.data_through)
    if not await ask("user_activity_v1", for_user=person, **query.within(now)):
        raise not_found()
