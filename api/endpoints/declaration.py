"""How an endpoint is declared, and the check of filters that several endpoints share.

The answer of an endpoint with a period has two fields more than its function returns: `is_cut`, and
on request `compared`, whose type has the same fields for an earlier period.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.parameter_classes import PeriodParameters
from api.periods import Window
from api.problems import not_found
from api.query import Ask, BoundQuery, Endpoint
from olap.ids import Id

# Of the generation, so the same whatever the period.
_OF_GENERATION = frozenset({"generation", "data_through", "generated_at"})
_IsCut = Annotated[
    bool, Meta(description="whether the end was moved to data_through, because it is later")
]
_COMPARED = Meta(
    description="With compare: the same for an earlier period, since and until included. null "
    "where that begins before the data, some of its days are not kept, or what the answer is about "
    "did not exist yet."
)


def endpoint(
    path: str,
    summary: str,
    *,
    metrics: tuple[str, ...],
    checks: tuple[str, ...] = (),
    is_same_for_members: bool = False,
    tags: tuple[str, ...] = ("analytics",),
) -> Callable[[Callable[[Ask, Any], Awaitable[msgspec.Struct]]], Endpoint]:
    """Declare an endpoint; its parameters and its answer are those of the function's signature.

    Args:
        metrics: the metric versions whose numbers the answer shows.
        checks: the metric versions that only check whether an id of a filter exists.
        is_same_for_members: whether all members get the same answer.
    """

    def declare(compute: Callable[[Ask, Any], Awaitable[msgspec.Struct]]) -> Endpoint:
        hints = get_type_hints(compute)
        (parameters,) = get_args(hints["query"])
        answer, compared = hints["return"], None
        if issubclass(parameters, PeriodParameters):
            compared = _compared_of(answer)
            answer = _with_period(answer, compared)
        return Endpoint(
            path=path,
            summary=summary,
            name=compute.__name__,
            metrics=(*metrics, *checks),
            checks=checks,
            is_same_for_members=is_same_for_members,
            parameters=parameters,
            answer=answer,
            compared=compared,
            compute=compute,
            tags=tags,
        )

    return declare


def _compared_of(declared: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The type of what an answer says about an earlier period."""
    found = msgspec.structs.fields(declared)
    return msgspec.defstruct(
        f"Compared{declared.__name__}",
        [(one.name, one.type) for one in found if one.name not in _OF_GENERATION],
        module=declared.__module__,
        kw_only=True,
        namespace={"__doc__": "The same fields for the period that `since` and `until` name."},
    )


def _with_period(
    declared: type[msgspec.Struct], compared: type[msgspec.Struct]
) -> type[msgspec.Struct]:
    """The type of an answer with what is added to the fields that an endpoint declares."""
    return msgspec.defstruct(
        declared.__name__,
        [
            ("is_cut", _IsCut),
            ("compared", Annotated[compared | UnsetType | None, _COMPARED], UNSET),
        ],
        bases=(declared,),
        module=declared.__module__,
        kw_only=True,
        namespace={"__doc__": declared.__doc__},
    )


# The metrics that show a conversation and a person. Filters by id check with them, so that an id
# that has an answer on its own endpoint has one as a filter, and no other id has.
EXISTS = ("conversation_stats_v1", "user_activity_v2")


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
    if not await ask("user_activity_v2", for_user=person, **query.within(now)):
        raise not_found()
