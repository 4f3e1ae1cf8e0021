"""The API over Sail: the bytes of the generation's file, from an engine that reads the lake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient
from prometheus_client import REGISTRY

from api.app import create_app
from api.engine import Outcome
from tests.api.fix_api import Api, api_settings
from tests.api.fix_engine import ALWAYS
from tests.api.small_messenger import ALICE, DORA, TEAM
from tests.api.test_engine import PERIODS, period_paths, shown
from tests.fix_pipeline import Pipeline

BATCH = f"/batch?ask=/engagement&ask=/user/{ALICE}&ask=/user/{DORA}&ask=/conversation/{TEAM}"
Given = dict[str, Any]


@pytest.fixture(scope="module")
def over_sail(small_site: Pipeline) -> Iterator[Api]:
    """The application with Sail in its process."""
    settings = api_settings(small_site, **ALWAYS)
    with TestClient(create_app(settings)) as client:
        yield Api(client, settings)


def answered() -> float:
    """How many questions engines have answered in this process."""
    labels = {"outcome": Outcome.ANSWERED.value}
    return REGISTRY.get_sample_value("analytics_engine_questions_total", labels) or 0.0


def differences(one: Api, other: Api, requests: list[tuple[str, Given]]) -> list[str]:
    """The requests to which an administrator or a member gets other bytes from either."""
    found = []
    for caller, same in (
        (one.admin(), other.admin()),
        (one.member(ALICE), other.member(ALICE)),
    ):
        for path, given in requests:
            expected, answer = caller.get(path, **given), same.get(path, **given)
            if shown(answer) != shown(expected):
                found.append(f"{path} {given}: {answer.text[:200]}")
    return found


def test_answers_have_the_bytes_of_the_file(small_api: Api, over_sail: Api) -> None:
    """A comparison in another zone, CSV, a batch, and what members may see: from Sail they have the
    bytes of the file."""
    before = answered()
    requests: list[tuple[str, Given]] = [
        ("/messages", {"days": 2, "compare": "previous"}),
        ("/timeline", {"tz": "Australia/Lord_Howe", "format": "csv"}),
        ("/top-senders", {"ids": "text"}),
        (BATCH, {}),
    ]
    assert differences(small_api, over_sail, requests) == []
    assert answered() - before > 2 * len(requests)
    assert over_sail.client.get("/health/ready").json()["engine"] == "ok"


@pytest.mark.scale
@pytest.mark.parametrize("period", PERIODS, ids=lambda period: "&".join(period) or "default")
def test_every_endpoint_has_the_bytes_of_the_file(
    small_api: Api, over_sail: Api, period: Given
) -> None:
    """Every endpoint with a period gives an administrator and a member the bytes of the file."""
    before = answered()
    paths = period_paths(small_api)
    assert differences(small_api, over_sail, [(path, period) for path in paths]) == []
    assert answered() - before > len(paths)
