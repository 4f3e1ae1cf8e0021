"""Errors as RFC 9457 problem documents: one shape for every error of the API.

A problem says what happened and what to do (`detail`) and, if a parameter is the cause, which one
(`parameter`). It never repeats an id or a token, and is the same, byte by byte, for what the viewer
may not see and for what does not exist.
"""

from __future__ import annotations

import re
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.plugins.problem_details import (
    ProblemDetailsConfig,
    ProblemDetailsException,
    ProblemDetailsPlugin,
)
from litestar.types import HTTPResponseStartEvent, Send

from olap.errors import AnalyticsError
from olap.log import cut, get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
# A part of the detail and the name of a parameter may be the client's own text.
_DETAIL_LENGTH_MAX = 500
_NAME_LENGTH_MAX = 100

_MISSING = re.compile("Missing required query parameter '([a-z_]+)'")

# Parameters that have another name in a request than in the code.
_URL_NAMES = {"form": "format", "if_match": "If-Match", "if_none_match": "If-None-Match"}


class Reason(StrEnum):
    """Why no generation answers, where it is more than a moment: a page says what to do."""

    NOTHING_PUBLISHED = "nothing_published"
    TOO_OLD = "too_old"


class Problem(ProblemDetailsException):
    """An error that the client sees.

    Args:
        status: the HTTP status.
        detail: what happened and what to do, in one sentence.
        parameter: the parameter that is the cause.
        reason: tells it apart from others of the same status, for programs.
        retry_after: seconds after which the request may succeed.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        parameter: str | None = None,
        reason: Reason | None = None,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        headers = {"Cache-Control": "no-store"} | (headers or {})
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        super().__init__(
            detail=cut(detail, _DETAIL_LENGTH_MAX),
            status_code=status.value,
            title=status.phrase,
            extra=_extra(parameter, reason),
            headers=headers,
        )


def _extra(parameter: str | None, reason: Reason | None) -> dict[str, Any] | None:
    extra: dict[str, Any] = {}
    if parameter is not None:
        extra["parameter"] = cut(parameter, _NAME_LENGTH_MAX)
    if reason is not None:
        extra["reason"] = reason
    return extra or None


class ClientGoneError(HTTPException):
    """The client hung up before its request was complete: there is nobody to answer."""

    status_code = 499  # as nginx logs it; HTTP has no such status

    def __init__(self) -> None:
        super().__init__(detail="The client has gone.")


class ProblemDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The shape of a problem, for the OpenAPI document.

    Attributes:
        status: the HTTP status.
        title: the status in words.
        detail: what happened and what to do.
        parameter: the parameter that is the cause, if it is one.
        reason: tells a 503 that is more than a moment apart from others.
    """

    status: int
    title: str
    detail: str
    parameter: str | None = None
    reason: Reason | None = None


def bad_parameter(name: str, fault: str) -> Problem:
    """400: a parameter cannot be used; `fault` follows its name in the sentence."""
    return Problem(HTTPStatus.BAD_REQUEST, f"{cut(name, _NAME_LENGTH_MAX)} {fault}", parameter=name)


def not_found() -> Problem:
    """404, the same for what does not exist and for what the viewer may not see."""
    return Problem(HTTPStatus.NOT_FOUND, "There is no such thing, or you may not see it.")


def not_found_response() -> Response[bytes]:
    """The same as an answer."""
    problem = not_found()
    return Response(
        body_of(problem),
        status_code=problem.status_code,
        media_type=MEDIA_TYPE,
        headers=problem.headers,
    )


def unavailable(detail: str, *, retry_after: int, reason: Reason | None = None) -> Problem:
    """503: the request is valid and may succeed later."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, reason=reason, retry_after=retry_after)


def body_of(problem: Problem) -> bytes:
    """The document as the plugin writes it; for answers that are cached."""
    document = {"status": problem.status_code, "title": problem.title, "detail": problem.detail}
    return msgspec.json.encode(document | dict(problem.extra or {}))


def headers_of(problem: Problem, body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of the document, with those that the problem adds."""
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body))}
    headers |= problem.headers or {}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


async def send_problem(send: Send, problem: Problem) -> None:
    """Send a problem where there is no request of Litestar's."""
    body = body_of(problem)
    start: HTTPResponseStartEvent = {
        "type": "http.response.start",
        "status": problem.status_code,
        "headers": headers_of(problem, body),
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


def plugin() -> ProblemDetailsPlugin:
    """Turns every exception into a problem; defects are logged and not shown."""
    return ProblemDetailsPlugin(
        ProblemDetailsConfig(
            exception_to_problem_detail_map={
                HTTPException: _from_http,
                ValidationException: _from_validation,
            }
        )
    )


def on_defect(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The answer to an error that no handler caught."""
    return _of_defect(error, request.scope["path"]).to_response(request)


def problem_of(error: Exception, path: str) -> Problem:
    """The problem that a request for this path is answered with if it ends with this error."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ValidationException):
        return _from_validation(error)
    if isinstance(error, HTTPException):
        return _from_http(error)
    return _of_defect(error, path)


def _of_defect(error: Exception, path: str) -> Problem:
    """Log an error that nothing caught; one outside our error tree keeps its traceback."""
    if isinstance(error, AnalyticsError):
        log.error("request.failed", error=error.message, hint=error.hint)
        return unavailable("The data cannot be read at present.", retry_after=5)
    log.error("request.defect", path=cut(path), exc_info=error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a defect of the server.")


def on_gone(_: Request[Any, Any, Any], error: ClientGoneError) -> Response[Any]:
    """An answer that nobody reads."""
    return Response(b"", status_code=error.status_code)


def response_to(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """The answer to an error of HTTP, as the plugin gives it."""
    problem = error if isinstance(error, ProblemDetailsException) else _from_http(error)
    return problem.to_response(request)


def _from_http(error: HTTPException) -> Problem:
    status = HTTPStatus(error.status_code)
    detail = error.detail if error.detail and error.detail != status.phrase else status.description
    return Problem(status, detail or status.phrase, headers=error.headers)


def _from_validation(error: ValidationException) -> Problem:
    """Litestar's list of invalid parameters: the problem names the first one."""
    if missing := _MISSING.match(error.detail):
        return bad_parameter(missing[1], "is missing")
    faults = error.extra if isinstance(error.extra, list) else []
    first: dict[str, Any] = faults[0] if faults and isinstance(faults[0], dict) else {}
    name = _URL_NAMES.get(str(first.get("key")), first.get("key"))
    if name is None:
        return Problem(HTTPStatus.BAD_REQUEST, first.get("message") or error.detail)
    fault = str(first["message"])
    if fault.startswith("Expected "):
        return bad_parameter(str(name), f"must be {fault.removeprefix('Expected ')}")
    return bad_parameter(str(name), f"cannot be used: {fault}")
