"""The routes of the endpoints: from a request to a query, and from its answer to a response."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation

from api import batch, openapi
from api.auth import Principal, Role
from api.endpoints import ENDPOINTS
from api.fast_path import EntryResponse, FastPath
from api.guards import only_for
from api.negotiation import read_headers
from api.parameter_classes import Parameters
from api.query import Endpoint, Query
from api.service import AnalyticsService
from olap.ids import IdTypes


def handlers(
    service: AnalyticsService, fast_path: FastPath, ids: IdTypes
) -> list[HTTPRouteHandler]:
    """The handlers of all endpoints, for a messenger with these types of ids."""
    return [
        *(_handler(one, service, fast_path, ids) for one in ENDPOINTS),
        batch.handler(service, fast_path),
    ]


def _handler(
    declared: Endpoint, service: AnalyticsService, fast_path: FastPath, ids: IdTypes
) -> HTTPRouteHandler:
    async def handle(
        request: Request[Principal, Any, Any],
        parameters: SkipValidation[NamedDependency[Parameters]],
    ) -> Response[Any]:
        principal = request.user
        accepts, known = read_headers(request.scope)
        query = Query(
            endpoint=declared,
            viewer=principal.viewer,
            parameters=parameters.resolved(ids, accepts.format),
        )
        if batch.is_read(request.scope, query):
            return batch.NOTHING
        entry, source = await service.answer(query, principal)
        fast_path.put(request.scope, accepts.format, query)
        return EntryResponse(entry, source, accepts.coding, known)

    # Litestar reads the operation's id and the type of the answer from the function.
    handle.__name__ = declared.name
    handle.__annotations__["return"] = EntryResponse[declared.answer]  # type: ignore[name-defined]
    return get(
        declared.path,
        guards=[only_for(Role.ADMIN, Role.MEMBER, parameters=declared.parameters.query_names())],
        # A class as a dependency: Litestar reads the struct's fields from the request.
        dependencies={"parameters": Provide(declared.parameters, sync_to_thread=False)},
        opt={batch.CAN_BE_ASKED: True},
        summary=declared.summary,
        description=openapi.description_of(declared),
        operation_class=openapi.Read,
        responses=openapi.problems_of(400, 401, 403, 404, 410, 429, 503),
        tags=declared.tags,
    )(handle)
