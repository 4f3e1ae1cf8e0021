"""The OpenAPI document: what Litestar derives from the code, and what it cannot know.

The endpoints' descriptions are the headers of the metrics' SQL files, through the catalog, so the
document, the file that an analyst opens and the numbers agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from litestar import Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIFormat,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Schema,
    SecurityScheme,
    Tag,
)
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from api.auth import PUBLIC
from api.pages import DocsPlugin
from api.problems import MEDIA_TYPE as PROBLEM_JSON
from api.problems import ProblemDocument
from api.query import Endpoint
from api.schemas import IdOf
from olap.ids import STRING_LENGTH_MAX, IdType, IdTypes

TITLE: Final = "Messenger analytics"
VERSION: Final = "1.0.0"
_BEARER = "bearer"

_ABOUT = """Exact numbers about a messenger, from published generations of its data.

Every answer comes from one **generation** and contains its number (`generation`) and the end of its
data (`data_through`). A period is half-open, `[since, until)`, in UTC. It ends at `data_through` by
default, and nothing later is ever counted. An administrator sees the whole site. A member sees what
their own conversations show, and gets 404 for everything else, as for what does not exist.

`ETag` and `If-None-Match` save sending the same bytes again. `X-Cache` shows where an answer came
from.
"""

_HEADERS: Final = {
    "ETag": "a digest of the query and the answer; send it back in `If-None-Match`",
    "X-Cache": "hit (from a cache), miss (computed), or bypass (computed while Redis was away)",
    "X-Request-ID": "the request's id in the log; the client's own if it sent one",
    "RateLimit-Limit": "requests per minute",
    "RateLimit-Remaining": "how many of them are left",
    "RateLimit-Reset": "seconds until the limit is full again",
}
_PROBLEMS: Final = {
    400: "A parameter cannot be used; `parameter` names it.",
    401: "There is no token, or it is not valid.",
    403: "The token's role does not allow this.",
    404: "It does not exist, you may not see it, or this messenger does not keep it.",
    410: "The pinned generation cannot be read any more.",
    413: "The body is too large.",
    429: "Too many requests, or too many computed answers; see `Retry-After`.",
    503: "It is not possible now, or took too long; see `Retry-After`.",
}
EXPOSED_HEADERS: Final = (*_HEADERS, "Retry-After")

_TEXT: Final = Schema(type=OpenAPIType.STRING)
_NULL: Final = Schema(type=OpenAPIType.NULL)
_ID_LENGTHS: Final = {"min_length": 1, "max_length": STRING_LENGTH_MAX}
# What a text must be to spell an id of each type.
_SPELLINGS: Final[Mapping[IdType, dict[str, Any]]] = {
    IdType.INTEGER: {"pattern": "^(0|-?[1-9][0-9]{0,17})$"},
    IdType.UUID: {"format": OpenAPIFormat.UUID},
    IdType.STRING: _ID_LENGTHS,
}


def description_of(endpoint: Endpoint) -> str:
    """The definitions of the metrics that an endpoint shows, from their SQL files."""
    return "\n\n".join(f"**{metric.macro}**: {metric.comment}" for metric in endpoint.shown)


def id_in_answer(type_: IdType) -> Schema:
    """An id in an answer."""
    if type_ is IdType.INTEGER:
        return Schema(type=OpenAPIType.INTEGER)
    return Schema(
        type=OpenAPIType.STRING, format=OpenAPIFormat.UUID if type_ is IdType.UUID else None
    )


def id_in_body(type_: IdType, description: str) -> Schema:
    """An id in a body, or null."""
    limits: dict[str, Any] = {
        IdType.INTEGER: {"minimum": -(2**63), "maximum": 2**63 - 1},
        IdType.UUID: {},
        IdType.STRING: _ID_LENGTHS,
    }[type_]
    return Schema(description=description, one_of=[replace(id_in_answer(type_), **limits), _NULL])


class IdSchemas(OpenAPISchemaPlugin):
    """Describes what `IdOf` marks by the type that the mapping gives it."""

    def __init__(self, ids: IdTypes) -> None:
        self._ids = ids

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Whether it is an id."""
        return _mark(field_definition) is not None

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """The schema of an id."""
        mark = _mark(field_definition)
        assert mark is not None
        type_ = self._ids.of(mark.kind)
        if not mark.is_text:
            return id_in_answer(type_)
        if field_definition.has_default:
            return Schema(one_of=[_TEXT, _NULL], **_SPELLINGS[type_])
        return replace(_TEXT, **_SPELLINGS[type_])


def _mark(field: FieldDefinition) -> IdOf | None:
    return next((one for one in field.metadata if isinstance(one, IdOf)), None)


@dataclass
class Read(Operation):
    """A GET that answers from a generation: adds our headers, and 304."""

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
            description="The answer that `If-None-Match` names has not changed.",
            headers=dict(headers),
        )
        self.security = [{_BEARER: []}]


@dataclass
class ReadRows(Read):
    """The same for an answer that is rows: adds CSV."""

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.responses is not None
        answer = self.responses["200"]
        assert isinstance(answer, OpenAPIResponse)
        assert answer.content is not None
        answer.content["text/csv"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


def problems_of(
    *statuses: int, meanings: Mapping[int, str] | None = None
) -> dict[int, ResponseSpec]:
    """The problems that an endpoint may return.

    Args:
        meanings: descriptions in place of the general ones.
    """
    descriptions = {**_PROBLEMS, **(meanings or {})}
    return {
        status: ResponseSpec(
            data_container=ProblemDocument,
            description=descriptions[status],
            media_type=PROBLEM_JSON,
            generate_examples=False,
        )
        for status in statuses
    }


def config() -> OpenAPIConfig:
    """The head of the document, and where it and its page are served."""
    return OpenAPIConfig(
        title=TITLE,
        version=VERSION,
        description=_ABOUT,
        openapi_router=Router(
            "/docs", route_handlers=[], opt={PUBLIC: True}, include_in_schema=False
        ),
        components=Components(
            security_schemes={
                _BEARER: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
            }
        ),
        tags=[
            Tag("analytics", "Numbers about messages, people and conversations."),
            Tag("events", "What happened in the messenger."),
            Tag("operation", "For operators."),
        ],
        render_plugins=[DocsPlugin(), JsonRenderPlugin(path="/openapi.json")],
    )
