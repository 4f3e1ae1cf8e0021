"""Errors as RFC 9457 problem documents: one shape for every error of the API.

A problem says what happened and what to do (`detail`) and, if a parameter is the cause, which one
(`parameter`). It never repeats an id or a token, and is the same, byte by byte, for what the viewer
may not see and for what does not exist.
"""

from __future__ import annotations

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

from olap.errors import AnalyticsError
from olap.log import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

# Parameters that have another name in a URL than in the code.
_URL_NAMES = {"form": "format"}


class Problem(ProblemDetailsException):
    """An error that the client sees.

    Args:
        status: the HTTP status.
        detail: what happened and what to do, in one sentence.
        parameter: the parameter that is the cause.
        retry_after: seconds after which the request may succeed.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        parameter: str | None = None,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        headers = dict(headers or {})
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        super().__init__(
            detail=detail,
            status_code=status.value,
            title=status.phrase,
            extra=None if parameter is None else {"parameter": parameter},
            headers=headers or None,
        )


class ProblemDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The shape of a problem, for the OpenAPI document.

    Attributes:
        status: the HTTP status.
        title: the status in words.
        detail: what happened and what to do.
        parameter: the parameter that is the cause, if it is one.
    """

    status: int
    title: str
    detail: str
    parameter: str | None = None


def bad_parameter(name: str, fault: str) -> Problem:
    """400: a parameter cannot be used; `fault` follows its name in the sentence."""
    return Problem(HTTPStatus.BAD_REQUEST, f"{name} {fault}", parameter=name)


def not_found() -> Problem:
    """404, the same for what does not exist and for what the viewer may not see."""
    return Problem(HTTPStatus.NOT_FOUND, "There is no such thing, or you may not see it.")


def unavailable(detail: str, *, retry_after: int) -> Problem:
    """503: the request is valid and may succeed later."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=retry_after)


def body_of(problem: Problem) -> bytes:
    """The document as the plugin writes it; for answers that are cached."""
    document = {"status": problem.status_code, "title": problem.title, "detail": problem.detail}
    return msgspec.json.encode(document | dict(problem.extra or {}))


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
    """Log an error that no handler caught; one outside our error tree keeps its traceback."""
    if isinstance(error, AnalyticsError):
        log.error("request.failed", error=error.message, hint=error.hint)
        problem = unavailable("The data cannot be read at present.", retry_after=5)
    else:
        log.error("request.defect", path=request.scope["path"], exc_info=error)
        problem = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a defect of the server.")
    return problem.to_response(request)


def _from_http(error: HTTPException) -> ProblemDetailsException:
    status = HTTPStatus(error.status_code)
    detail = error.detail if error.detail and error.detail != status.phrase else status.description
    return Problem(status, detail or status.phrase, headers=error.headers)


def _from_validation(error: ValidationException) -> ProblemDetailsException:
    """Litestar's list of invalid parameters: the problem names the first one."""
    faults = error.extra if isinstance(error.extra, list) else []
    first: dict[str, Any] = faults[0] if faults and isinstance(faults[0], dict) else {}
    name = _URL_NAMES.get(str(first.get("key")), first.get("key"))
    if name is None:
        return Problem(HTTPStatus.BAD_REQUEST, first.get("message") or error.detail)
    fault = str(first["message"])
    if fault.startswith("Expected "):
        return bad_parameter(str(name), f"must be {fault.removeprefix('Expected ')}")
    return bad_parameter(str(name), f"cannot be used: {fault}")
