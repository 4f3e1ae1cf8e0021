"""What who runs it relies on: health, numbers, log lines, limits of time, headers, how it stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import structlog

from api.app import PREFIX
from api.identity import Role
from olap.reader import Query
from tests.api.fix_api import Api
from tests.api.servers import ROOT, Server, server
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline


@pytest.fixture(scope="module")
def running(team_site: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers that add up their numbers, behind a proxy's path, asked by a page elsewhere."""
    directory = tmp_path_factory.mktemp("running")
    (directory / "numbers").mkdir()
    with server(
        team_site.layout.root,
        directory / "log",
        "--workers", "2",
        "--root-path", "/chat",
        PROMETHEUS_MULTIPROC_DIR=str(directory / "numbers"),
        CORS_ORIGINS="https://page.example",
    ) as made:  # fmt: skip
        yield made


def get(running: Server, path: str, **headers: str) -> httpx.Response:
    """GET as an administrator."""
    given = {"Authorization": f"Bearer {token(Role.ADMIN, 'boss')}", **headers}
    return httpx.get(running.url + path, headers=given)


def test_workers_add_up_their_numbers(running: Server) -> None:
    """What both workers answered is counted in the `/metrics` of either, with the requirement's
    numbers: requests by route, hits, metrics, generation, lag, proof, events, breaker."""
    before = numbers(running)
    for _ in range(12):
        assert get(running, f"{PREFIX}/engagement").status_code == 200
    after = numbers(running)
    counted = (
        'analytics_request_duration_seconds_count{method="GET",'
        f'route="{PREFIX}/engagement",status="200"}}'
    )
    assert after[counted] - before.get(counted, 0) == 12
    for name in (
        'analytics_answers_total{source="hit"}',
        'analytics_metric_duration_seconds_count{metric="message_stats_v1"}',
        "analytics_generation",
        "analytics_data_lag_seconds",
        "analytics_last_proof_timestamp_seconds",
        "analytics_events_pending",
        "analytics_redis_breaker_open",
    ):
        assert name in after, name
    assert after["analytics_generation"] == 1
    assert after["analytics_data_lag_seconds"] > 0


def numbers(running: Server) -> dict[str, float]:
    """What `/metrics` says, without the process ids that gauges of a worker carry."""
    found = {}
    for line in httpx.get(f"{running.url}/metrics").text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def test_every_request_is_one_line(running: Server) -> None:
    """Each request, also one without a route or a token, is one JSON line with its id, which the
    answer has too; a caller's own id is kept if it is a plain one."""
    answers = [
        get(running, f"{PREFIX}/engagement?days=5", **{"X-Request-ID": "mine-1"}),
        get(running, "/nothing/here"),
        httpx.get(f"{running.url}{PREFIX}/dashboard"),
        get(running, f"{PREFIX}/engagement", **{"X-Request-ID": "not {plain}"}),
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert ids[0] == "mine-1" and len(set(ids)) == 4 and "{" not in ids[3]
    deadline = time.monotonic() + 30
    # A line is written when the answer has been sent, so perhaps after it was read.
    while not set(ids) <= set(told := logged(running)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [told[one]["status"] for one in ids] == [200, 404, 401, 200]
    assert told["mine-1"]["path"] == f"{PREFIX}/engagement"
    assert told["mine-1"]["query"] == "days=5"
    assert told["mine-1"]["role"] == "admin"


def logged(running: Server) -> dict[str, dict[str, Any]]:
    """The lines about requests, by their ids."""
    whole = running.log.read_text().rpartition("\n")[0]
    lines = [json.loads(line) for line in whole.splitlines()]
    return {line["request_id"]: line for line in lines if line.get("event") == "request"}


def test_a_page_elsewhere_may_ask_and_see_the_headers(running: Server) -> None:
    """A page of CORS_ORIGINS may send a token and read our headers; another may not."""
    asked = httpx.options(
        f"{running.url}{PREFIX}/dashboard",
        headers={
            "Origin": "https://page.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,if-none-match",
        },
    )
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "https://page.example"
    answer = get(running, f"{PREFIX}/engagement", Origin="https://page.example")
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    exposed = answer.headers["access-control-expose-headers"]
    assert {"ETag", "X-Cache", "Retry-After", "RateLimit-Remaining"} <= set(exposed.split(", "))
    other = get(running, f"{PREFIX}/engagement", Origin="https://page.example.evil.example")
    assert "access-control-allow-origin" not in other.headers


def test_the_docs_page_needs_nothing_from_elsewhere(running: Server) -> None:
    """The page and its icon come from here, below the proxy's path; nothing in them is loaded from
    another host, and the document is OpenAPI 3.1 and tells what the SQL files say."""
    page = httpx.get(f"{running.url}/docs").text
    assert 'href="/chat/favicon.svg"' in page and 'href="/chat/docs/openapi.json"' in page
    assert "http://" not in page and "https://" not in page and 'src="//' not in page
    icon = httpx.get(f"{running.url}/favicon.svg")
    assert icon.headers["content-type"] == "image/svg+xml"
    document = httpx.get(f"{running.url}/docs/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    said = document["paths"][f"{PREFIX}/engagement"]["get"]["description"]
    assert "total_users were created before until and not deleted before it" in said
    assert "total_users were created before until" in page


def test_it_stops_in_order(team_site: Pipeline, valkey_url: str, tmp_path: Path) -> None:
    """SIGTERM lets the requests that run have their answers, and the process ends with 0."""
    slow = f"{PREFIX}/engagement?days=61"
    found: list[int] = []
    with redis.Redis.from_url(valkey_url) as client:
        with server(team_site.layout.root, tmp_path / "log", REDIS_URL=valkey_url) as one:
            get(one, slow)
            (key,) = [key for key in client.keys("*:61d~:*") if not key.endswith(b":lead")]
        # Somebody else seems to compute it: so the request waits two seconds before it does.
        client.delete(key)
        client.set(key + b":lead", b"1", px=60_000)
        with server(team_site.layout.root, tmp_path / "log", REDIS_URL=valkey_url) as one:
            asking = threading.Thread(target=lambda: found.append(get(one, slow).status_code))
            asking.start()
            time.sleep(1.2)
            assert one.stop() == 0
            asking.join()
    assert found == [200]


def test_without_a_key_it_does_not_start(tmp_path: Path) -> None:
    """It says which setting is missing, in one line with a hint, and ends with 2."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "data"),
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-m", "api"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no key is set") and "JWT_SECRET" in ended.stderr


def test_what_takes_too_long_is_ended(
    team_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metric that takes longer than QUERY_TIMEOUT_SECONDS is interrupted: 503 with a time to come
    back, and a slow query in the log with its metric and parameters; then the thread is free."""
    api = new_api(team_site, query_timeout_seconds=1, api_threads=1)
    whole = Query.run

    def endless(self: Query) -> Any:
        self._statement = (
            "select count(*) from range(10000000) a, range(10000000) b where a.range = -b.range - 1"
        )
        self._parameters = {}
        return whole(self)

    monkeypatch.setattr(Query, "run", endless)
    merged = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(merged) as lines:
        refused = api.admin().get("/engagement", days=33)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    (slow,) = [line for line in lines if line["event"] == "query.slow"]
    assert slow["metric"] == "engagement_v1" and slow["parameters"]["include_bots"] == "True"
    assert slow["request_id"] == refused.headers["x-request-id"]
    monkeypatch.setattr(Query, "run", whole)
    assert api.admin().get("/engagement", days=33).status_code == 200


def test_what_has_not_changed_is_304(team_api: Api) -> None:
    """With the ETag of an answer the same question is 304 without a body; another's ETag, and that
    of another question, is not."""
    first = team_api.admin().get("/dashboard")
    tag = first.headers["etag"]
    for sent in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = team_api.admin().get("/dashboard", headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag and again.headers["cache-control"] == "private"
    for sent in ('"other"', "", tag.strip('"')):
        again = team_api.admin().get("/dashboard", headers={"If-None-Match": sent})
        assert again.content == first.content
    other = team_api.admin().get("/dashboard", {"If-None-Match": tag}, days=3)
    assert other.status_code == 200


def test_a_generation_that_cannot_be_read_is_503(
    team_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of a file is no 500: it is said in the log, and the asker is told to come back; a
    defect of ours is a 500 problem that tells nothing of it."""
    from olap.errors import AnalyticsError

    api = new_api(team_site)
    for error, status in (
        (AnalyticsError("the file is damaged", hint="publish"), 503),
        (RuntimeError("a secret detail"), 500),
    ):

        def broken(self: Query, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(Query, "run", broken)
        found = api.admin().get("/engagement", days=44)
        assert found.status_code == status
        assert found.headers["content-type"] == "application/problem+json"
        assert "secret" not in found.text and "damaged" not in found.text
