"""The OpenAPI document: what Litestar derives from the code, and what it cannot know.

The endpoints' descriptions are the headers of the metrics' SQL files, through the catalog, so the
document, the file that an analyst opens and the numbers agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from inspect import getdoc
from typing import Any, Final

from litestar import Response, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPI,
    OpenAPIFormat,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Schema,
    SecurityScheme,
    Server,
    Tag,
)
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from api.auth import PUBLIC
from api.openapi_document import Document
from api.pages.openapi_page import DocsPlugin
from api.problems import MEDIA_TYPE as PROBLEM_JSON
from api.problems import ProblemDocument, not_found_response
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
    414: "The query string is longer than 2 KB (of a batch 8,000 bytes), or the path than 4 KB.",
    429: "Too many requests, or too many computed answers; see `Retry-After`.",
    503: "It is not possible now, or took too long; see `Retry-After`.",
}
EXPOSED_HEADERS: Final = (*_HEADERS, "Retry-After", "Content-Disposition")

_TEXT: Final = Schema(type=OpenAPIType.STRING)
_NULL: Final = Schema(type=OpenAPIType.NULL)
_ID_LENGTHS: Final = {"min_length": 1, "max_length": STRING_LENGTH_MAX}
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


def _spelling_of_int64() -> str:
    """The regular expression of the whole numbers of 64 bits.

    A path and a query have ids as text: a client whose language rounds large numbers can send them.
    """
    end = str(2**63)
    shorter = f"[1-9][0-9]{{0,{len(end) - 2}}}"
    as_long = [
        f"{end[:place]}[{0 if place else 1}-{int(digit) - 1}][0-9]{{{len(end) - place - 1}}}"
        for place, digit in enumerate(end)
        if digit != "0"
    ]
    return f"^(0|-?({'|'.join([shorter, *as_long])})|{_INT64_MIN})$"


# What a text must be to spell an id of each type.
_SPELLINGS: Final[Mapping[IdType, dict[str, Any]]] = {
    IdType.INTEGER: {"pattern": _spelling_of_int64()},
    IdType.UUID: {"format": OpenAPIFormat.UUID},
    IdType.STRING: _ID_LENGTHS,
}


def description_of(endpoint: Endpoint) -> str:
    """The definitions of the metrics that an endpoint shows, from their SQL files.

    Where it shows none, what its function says.
    """
    shown = (f"**{metric.macro}**: {metric.comment}" for metric in endpoint.shown)
    return "\n\n".join(shown) or getdoc(endpoint.compute) or ""


_OWN_FORMS: Final[Mapping[IdType, Schema]] = {
    IdType.INTEGER: Schema(
        type=OpenAPIType.INTEGER,
        format="int64",  # type: ignore[arg-type]  # Litestar has no name for it
        minimum=_INT64_MIN,
        maximum=_INT64_MAX,
    ),
    IdType.UUID: Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID),
    IdType.STRING: _TEXT,
}


def id_in_answer(type_: IdType) -> Schema:
    """An id in an answer: a whole number is a text with `ids=text`."""
    if type_ is IdType.INTEGER:
        text = replace(_TEXT, description="with `ids=text`")
        return Schema(any_of=[_OWN_FORMS[type_], text])
    return _OWN_FORMS[type_]


def id_in_body(type_: IdType, description: str) -> Schema:
    """An id in a body, or null."""
    limits: dict[str, Any] = _ID_LENGTHS if type_ is IdType.STRING else {}
    return Schema(description=description, one_of=[replace(_OWN_FORMS[type_], **limits), _NULL])


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
class ReadJson(Operation):
    """A GET that answers from a generation: adds our headers, and 304."""

    def __post_init__(self) -> None:
        assert self.responses is not None
        headers: dict[str, Any] = {
            name: OpenAPIHeader(schema=Schema(type=OpenAPIType.STRING), description=about)
            for name, about in _HEADERS.items()
        }
        _answer_of(self).headers = headers
        self.responses["304"] = OpenAPIResponse(
            description="The answer that `If-None-Match` names has not changed.",
            headers=dict(headers),
        )
        self.security = [{_BEARER: []}]


@dataclass
class Read(ReadJson):
    """The same as CSV, too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        answer = _answer_of(self)
        assert answer.headers is not None and answer.content is not None
        answer.headers = {**answer.headers, "Content-Disposition": _disposition()}
        answer.content["text/csv"] = OpenAPIMediaType(schema=_TEXT)


def _answer_of(operation: Operation) -> OpenAPIResponse:
    assert operation.responses is not None
    answer = operation.responses["200"]
    assert isinstance(answer, OpenAPIResponse)
    return answer


def _disposition() -> OpenAPIHeader:
    return OpenAPIHeader(
        schema=_TEXT,
        description="of CSV: the name of a file, with the endpoint, the period and the generation",
    )


def _operation_id(handler: HTTPRouteHandler, *_: Any) -> str:
    """The unique name of the handler's function; clients name their functions after it."""
    return handler.handler_name.rpartition(".")[2]


def problems_of(
    *statuses: int, meanings: Mapping[int, str] | None = None
) -> dict[int, ResponseSpec]:
    """The problems that an endpoint may return; the URL of every request may be too long.

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
        for status in (*statuses, 414)
    }


async def _with_problem(response: Response[Any]) -> Response[Any]:
    """A problem in place of the page by which Litestar says that there is no such page."""
    return not_found_response() if response.status_code == HTTPStatus.NOT_FOUND else response


@dataclass
class Config(OpenAPIConfig):
    """The head of the document, and the schemas of bodies that Litestar does not decode."""

    bodies: dict[str, Schema] = field(default_factory=dict)

    def to_openapi_schema(self) -> OpenAPI:
        """The document without paths, which Litestar adds."""
        made = super().to_openapi_schema()
        document = Document(
            info=made.info,
            servers=made.servers,
            components=made.components,
            tags=made.tags,
            paths=made.paths,
        )
        document.bodies = self.bodies
        return document


def config(bodies: dict[str, Schema], root_path: str) -> OpenAPIConfig:
    """The head of the document, and where it and its page are served.

    Args:
        bodies: the schemas of bodies by their names, to which operations refer.
        root_path: the path below which a proxy serves the API.
    """
    return Config(
        bodies=bodies,
        operation_id_creator=_operation_id,
        title=TITLE,
        version=VERSION,
        description=_ABOUT,
        servers=[Server(url=root_path or "/")],
        openapi_router=Router(
            "/docs",
            route_handlers=[],
            opt={PUBLIC: True},
            include_in_schema=False,
            after_request=_with_problem,
        ),
        components=Components(
            security_schemes={
                _BEARER: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
            }
        ),
        tags=[
            Tag("analytics", "Numbers about messages, people and conversations."),
            Tag("events", "What happened in the messenger."),
            Tag("kept", "Views and dashboards that people keep."),
            Tag("operation", "For operators."),
        ],
        render_plugins=[DocsPlugin(), JsonRenderPlugin(path="/openapi.json")],
    )
