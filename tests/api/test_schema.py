"""The OpenAPI document is correct: every answer to any request is one that it describes."""

from __future__ import annotations

import re
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.auth import Role
from api.endpoints import ENDPOINTS
from olap.timezones import zone_names
from tests.api import small_messenger as messenger
from tests.api.servers import Server
from tests.api.tokens import token
from tests.effort import examples
from tests.tokens import Signer

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
TOKENS = [
    {},
    *(
        {"Authorization": f"Bearer {token(role, messenger.ALICE)}"}
        for role in (Role.ADMIN, Role.MEMBER)
    ),
]
STREAM = "/stream"
FEW = settings(
    max_examples=examples(8),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


# What no schema can say, and the descriptions of the parameters say instead.
SAID = re.compile(
    r"(state\.)?(days|hours) and (hours|start|whole_days) exclude each other"
    r"|whole_days leaves nothing"
    r"|start is after|start is more than \d+ days before the end"
    r"|(state\.)?(start is not before end|(start|end) is outside the years 2 to 9998)"
    r"|end is too early|(\[\d+\]\.)?metadata contains the character NUL"
    r"|If-Match and If-None-Match exclude each other|name has no characters that can be seen"
    r"|cards\[\d+\] is there already|cards\[\d+\]\.parameters\.\w+ is not one of the parameters"
)
schemathesis.openapi.format("iana-time-zone", st.sampled_from(zone_names()))


def ending() -> dict[str, str]:
    """The headers of an administrator whose stream ends in two seconds."""
    expires = datetime.now(UTC) + timedelta(seconds=2)
    return {"Authorization": Signer.new("HS256").bearer(sub="boss", role="admin", exp=expires)}


def operations(small_server: Server) -> list[Any]:
    """The operations of the document."""
    schema = schemathesis.openapi.from_url(f"{small_server.url}/docs/openapi.json")
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_documented(small_server: Server, mode: GenerationMode) -> None:
    """With and without a token, valid or not: no request returns 5xx, or a status, type, header or
    body that the document does not describe."""
    asked: set[str] = set()
    for operation in operations(small_server):

        @FEW
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            for bearer in TOKENS:
                if bearer and case.path.endswith(STREAM):
                    bearer = ending()
                found = case.call(headers=bearer)
                case.validate_response(found, checks=CHECKS)
                if not bearer and "/analytics/" in case.path:
                    assert found.status_code == 401

        # An operation without parameters has no invalid request.
        with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
            ask()
            asked.add(operation.label)
    assert len(asked) >= 12, asked


def test_what_the_document_allows_is_accepted(small_server: Server) -> None:
    """No request that the document allows is 400, except for what the descriptions exclude."""
    asked: set[str] = set()
    bearer = {"Authorization": f"Bearer {token(Role.ADMIN, 'boss')}"}
    for operation in operations(small_server):

        @FEW
        @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        def ask(case: Any) -> None:
            is_stream = case.path.endswith(STREAM)
            found = case.call(headers=ending() if is_stream else bearer)
            if found.status_code == HTTPStatus.BAD_REQUEST:
                detail = found.json()["detail"]
                assert SAID.match(detail), f"{detail}: {found.request.url} {found.request.body!r}"

        ask()
        asked.add(operation.label)
    assert len(asked) == len(ENDPOINTS) + 11, asked
