"""Requests without a valid token are limited by address; `/metrics` is computed once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import prometheus_client
import pytest
from litestar.plugins.prometheus import controller
from prometheus_client import CollectorRegistry

from api import health
from api.app import PREFIX
from tests.api.fix_api import Api
from tests.api.servers import server
from tests.fix_pipeline import Pipeline

LIMIT = 5
# What a stranger may send: a method, a path, a header `Authorization`.
REQUESTS = {
    "no token": ("GET", f"{PREFIX}/dashboard", None),
    "rubbish": ("GET", f"{PREFIX}/dashboard", "Bearer rubbish"),
    "another scheme": ("GET", f"{PREFIX}/dashboard", "Basic YTpi"),
    "a post": ("POST", f"{PREFIX}/events", None),
    "live": ("GET", "/health/live", None),
    "ready": ("GET", "/health/ready", None),
    "metrics": ("GET", "/metrics", None),
    "the documentation": ("GET", "/docs", None),
    "the document": ("GET", "/docs/openapi.json", None),
    "the icon": ("GET", "/favicon.svg", None),
    "no route": ("GET", "/wp-login.php", None),
    "no route below the prefix": ("GET", f"{PREFIX}/nothing", None),
    "no method": ("DELETE", f"{PREFIX}/dashboard", None),
    "options": ("OPTIONS", f"{PREFIX}/events", None),
}


@pytest.fixture
def api(stopped_limits: None, new_api: Callable[..., Api], small_site: Pipeline) -> Iterator[Api]:
    """An application with a small limit for strangers."""
    yield new_api(small_site, anonymous_limit=LIMIT)


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_stranger_is_limited_whatever_they_send(api: Api, request_: str) -> None:
    """After the limit each further request is 429 with `Retry-After`, as a problem; a valid token
    from the same address is answered."""
    method, path, authorization = REQUESTS[request_]
    headers = {} if authorization is None else {"Authorization": authorization}

    def send() -> httpx.Response:
        return api.client.request(method, path, headers=headers)

    assert 429 not in [send().status_code for _ in range(LIMIT)]
    refused = send()
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["content-type"] == "application/problem+json"
    assert "without a valid token" in refused.json()["detail"]
    assert api.admin().get("/engagement").status_code == 200


def test_all_of_a_strangers_requests_count_together(api: Api) -> None:
    """The limit is one for everything that has no valid token."""
    codes = [
        api.client.get(path).status_code
        for path in ("/health/live", "/docs", "/nothing", f"{PREFIX}/dashboard", "/metrics", "/")
    ]
    assert codes == [200, 200, 404, 401, 200, 429]


def test_a_valid_token_is_not_charged_to_its_address(api: Api) -> None:
    """However many requests with valid tokens come from an address, a stranger there is answered;
    a route that does not exist is theirs, too."""
    for _ in range(3 * LIMIT):
        assert api.admin().get("/engagement").status_code == 200
    assert api.client.get("/health/live").status_code == 200


def test_an_administrator_and_a_member_of_one_name_are_two(
    stopped_limits: None, new_api: Callable[..., Api], small_site: Pipeline
) -> None:
    """Requests and computations are counted by role and subject."""
    api = new_api(small_site, rate_limit=2, compute_limit=1)
    for caller in (api.admin(7), api.member(7)):
        found = [caller.get("/engagement", days=days).status_code for days in (3, 3, 3)]
        assert found == [200, 200, 429]
    for caller in (api.admin(8), api.member(8)):
        assert [caller.get("/engagement", days=d).status_code for d in (4, 5)][1] == 429


@pytest.mark.slow
def test_behind_a_proxy_the_clients_own_address_counts(
    small_site: Pipeline, tmp_path: Path
) -> None:
    """With FORWARDED_ALLOW_IPS each client of the proxy has its own limit; without it, what a
    client writes into the header changes nothing."""
    for trusted, expected in (
        ("127.0.0.1", [404, 404, 429, 404]),
        ("192.0.2.9", [404] * 2 + [429] * 2),
    ):
        with (
            server(
                small_site.layout.root,
                tmp_path / "log",
                ANONYMOUS_LIMIT_PER_MINUTE="200",
                FORWARDED_ALLOW_IPS=trusted,
            ) as running,
            httpx.Client(base_url=running.url) as client,
        ):

            def ask(address: str, client: httpx.Client = client) -> int:
                return client.get("/nothing", headers={"X-Forwarded-For": address}).status_code

            found = [ask("2001:db8::1"), ask("2001:db8::2")]
            for number in range(200):
                ask(f"2001:db8::{number:x}")
            assert [*found, ask("2001:db8::1"), ask("2001:db8:1::1")] == expected


def test_metrics_are_computed_at_most_once_a_second(
    small_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests within a second get the same bytes, computed once; later ones get new ones."""
    computed: list[int] = []
    whole = prometheus_client.generate_latest
    now = [time.monotonic() + 1000.0]

    def counted(registry: CollectorRegistry) -> bytes:
        computed.append(1)
        return whole(registry)

    monkeypatch.setattr(controller, "generate_latest", counted)
    monkeypatch.setattr(health, "_now", lambda: now[0])
    found = {small_api.client.get("/metrics").content for _ in range(20)}
    assert (len(found), len(computed)) == (1, 1)
    now[0] += 1.0
    assert small_api.client.get("/metrics").content not in found
    assert len(computed) == 2
