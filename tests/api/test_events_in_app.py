"""Events in the whole application: problems, rate limits, Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import httpx
import psycopg
import pytest
from litestar.testing import TestClient

from api.app import PREFIX, create_app
from api.auth import Role
from olap.secret import Secret
from tests.api.fix_api import Api, api_settings
from tests.fix_pipeline import Pipeline

SENT = {"event_type": "message.sent", "user_id": 7}


@pytest.fixture
def api(small_site: Pipeline, database: str) -> Iterator[Api]:
    """The application on the small messenger, with a database of its own for events."""
    settings = replace(
        api_settings(small_site), events_database_url=Secret(database), rate_limit=20
    )
    with TestClient(create_app(settings)) as client:
        yield Api(client, settings)


def post(api: Api, body: object, role: Role = Role.SERVICE) -> httpx.Response:
    """Post events as this role."""
    headers = {"Authorization": f"Bearer {api.token(role, 7)}"}
    return api.client.post(f"{PREFIX}/events", json=body, headers=headers)


def test_a_posted_event_is_stored_and_counted(api: Api, database: str) -> None:
    """An event that is posted is in PostgreSQL and in the Prometheus metrics."""
    identity = str(uuid4())
    answer = post(api, SENT | {"id": identity})
    assert (answer.status_code, answer.json()["ids"]) == (202, [identity])
    with psycopg.connect(database) as connection:
        rows = connection.execute("select id::text, user_id from analytics_events").fetchall()
    assert rows == [(identity, 7)]
    metrics = api.client.get("/metrics").text
    for name in (
        'analytics_events_total{store="database"}',
        "analytics_events_new_total",
        "analytics_events_pending 0.0",
        "analytics_events_queue_depth",
        "analytics_events_database_away 0.0",
        'analytics_events_commit_seconds_bucket{le="0.02",store="database"}',
    ):
        assert f"\n{name}" in metrics


def test_a_refused_event_is_a_problem(api: Api) -> None:
    """400, 401 and 403 are problem documents, and 400 names the invalid part."""
    refused = post(api, [SENT, SENT | {"user_id": "7"}])
    assert refused.status_code == 400
    assert refused.headers["Content-Type"].startswith("application/problem+json")
    assert refused.json()["parameter"] == "[1].user_id"
    forbidden = post(api, SENT, Role.MEMBER)
    anonymous = api.client.post(f"{PREFIX}/events", json=SENT)
    for answer, status in ((forbidden, 403), (anonymous, 401)):
        assert answer.status_code == status
        assert answer.json()["status"] == status


def test_an_unavailable_database_is_a_problem(small_site: Pipeline) -> None:
    """503 tells the client to send the same events again, and when."""
    settings = replace(
        api_settings(small_site), events_database_url=Secret("postgresql://127.0.0.1:1/none")
    )
    with TestClient(create_app(settings)) as client:
        answer = post(Api(client, settings), SENT)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.headers["Retry-After"] == "2"
    assert "same ids" in answer.json()["detail"]


def test_posts_count_as_requests(stopped_limits: None, api: Api) -> None:
    """Each post counts as one request, and each answer has the headers of the limit."""
    left = [int(post(api, SENT).headers["RateLimit-Remaining"]) for _ in range(20)]
    assert left == list(range(19, -1, -1))
    answer = post(api, SENT)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"].startswith("application/problem+json")
