"""The OpenAPI document: what Litestar derives from the code, and what only we know.

The descriptions of the endpoints are the headers of the metrics' SQL files, by way of the
catalogue, so that the document, the file an analyst opens and the number agree by construction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from litestar import Router, get
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Schema,
    SecurityScheme,
    Tag,
)

from api.identity import FOR_ANYBODY
from api.pages import DocsPlugin
from api.problems import MEDIA_TYPE as PROBLEM_JSON
from api.problems import ProblemDocument
from api.recipes import Recipe
from olap.catalog import metrics

TITLE: Final = "Messenger analytics"
VERSION: Final = "1.0.0"
_BEARER = "bearer"

_ABOUT = """Exact numbers about a messenger, from published generations of its data.

Every answer comes from one **generation** and says which (`generation`) and as of when
(`data_through`). A period is half-open, `[since, until)`, in UTC; it ends at `data_through` unless
given, and nothing later is ever counted. An administrator sees the site; a member sees what his
own conversations show him, and gets 404 for the rest, as for what does not exist.

`ETag` and `If-None-Match` spare you the same bytes. `X-Cache` says where an answer came from.
"""

_HEADERS: Final = {
    "ETag": "a digest of the question and the answer; send it back in `If-None-Match`",
    "X-Cache": "hit, miss, or bypass: from a cache, computed, computed while Redis was away",
    "X-Request-ID": "the request's id in the log; yours, if you sent one",
    "RateLimit-Limit": "requests a minute",
    "RateLimit-Remaining": "how many of them are left",
    "RateLimit-Reset": "seconds until they are renewed",
}
_PROBLEMS: Final = {
    400: "A parameter cannot be used; `parameter` names it.",
    401: "No token, or none that is good.",
    403: "The token's role may not do this.",
    404: "There is no such thing, or you may not see it.",
    410: "The pinned generation cannot be asked any more.",
    413: "The body is too large.",
    429: "Too many requests, or too many computations; see `Retry-After`.",
    503: "It cannot be done right now, or took too long; see `Retry-After`.",
}
EXPOSED_HEADERS: Final = (*_HEADERS, "Retry-After")


def described(recipe: Recipe) -> str:
    """What an endpoint answers, in the words of its metrics' SQL files."""
    by_macro = {metric.macro: metric for metric in metrics()}
    told = [by_macro[macro] for macro in recipe.tells]
    return "\n\n".join(
        f"**{metric.macro}**: {metric.definition} Grain: {metric.grain}. Scope: {metric.scope}. "
        f"{metric.rules}"
        for metric in told
    )


@dataclass
class Read(Operation):
    """A GET that answers from a generation: with our headers, and 304."""

    def __post_init__(self) -> None:
        assert self.responses is not None
        headers = {
            name: OpenAPIHeader(schema=Schema(type=OpenAPIType.STRING), description=about)
            for name, about in _HEADERS.items()
        }
        answer = self.responses["200"]
        assert isinstance(answer, OpenAPIResponse)
        answer.headers = dict(headers)
        self.responses["304"] = OpenAPIResponse(
            description="What you have, as `If-None-Match` says, is still the answer.",
            headers=dict(headers),
        )
        self.security = [{_BEARER: []}]


@dataclass
class TableRead(Read):
    """The same for an answer whose rows can be had as CSV."""

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.responses is not None
        answer = self.responses["200"]
        assert isinstance(answer, OpenAPIResponse)
        assert answer.content is not None
        answer.content["text/csv"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


def problems_of(*statuses: int, told: Mapping[int, str] | None = None) -> dict[int, ResponseSpec]:
    """The problems that an endpoint may answer; for the document.

    Args:
        told: what some of them mean at this endpoint.
    """
    meanings = {**_PROBLEMS, **(told or {})}
    return {
        status: ResponseSpec(
            data_container=ProblemDocument,
            description=meanings[status],
            media_type=PROBLEM_JSON,
            generate_examples=False,
        )
        for status in statuses
    }


def read(path: str, recipe: Recipe, *, summary: str, tags: Sequence[str] | None = None) -> get:
    """Like `get`, for an endpoint that answers by a recipe; documents all that it may answer."""
    return get(
        path,
        summary=summary,
        description=described(recipe),
        operation_class=Read if recipe.table is None else TableRead,
        responses=problems_of(400, 401, 403, 404, 410, 429, 503),
        tags=tags,
    )


def config() -> OpenAPIConfig:
    """The document's head, and where it and its page are served."""
    return OpenAPIConfig(
        title=TITLE,
        version=VERSION,
        description=_ABOUT,
        openapi_router=Router(
            "/docs", route_handlers=[], opt={FOR_ANYBODY: True}, include_in_schema=False
        ),
        components=Components(
            security_schemes={
                _BEARER: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
            }
        ),
        tags=[
            Tag("analytics", "Questions about messages, people and conversations."),
            Tag("events", "What happened in the messenger."),
            Tag("operation", "For who runs this."),
        ],
        render_plugins=[DocsPlugin(), JsonRenderPlugin(path="/openapi.json")],
    )
