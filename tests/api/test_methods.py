"""Every route with every method, by everybody, from every page: one matrix over the routes of the
application, so that a new route is covered without a line here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, product

import httpx
import pytest
from litestar.routes import HTTPRoute, WebSocketRoute
from litestar.testing import TestClient

from api.app import PREFIX, create_app
from api.auth import PUBLIC, Role
from api.live import delivery
from api.pages import serving
from tests.api import small_messenger as messenger
from tests.api.fix_api import Api, api_settings
from tests.fix_pipeline import Pipeline

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE")
IDENTITIES = ("nobody", "rubbish", *Role)
OUR_PAGE, FOREIGN_PAGE = "https://chat.example", "https://chat.example.evil.example"
ORIGINS = (None, OUR_PAGE, FOREIGN_PAGE)
# The headers that every answer has, and those that differ between two equal requests.
PROTECTION = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
PASSING = {"x-request-id", "x-cache", "ratelimit-remaining", "ratelimit-reset"}
# What these say depends on the time of the request.
STREAM, SOCKET = f"{PREFIX}/stream", f"{PREFIX}/live"
CHANGING = ("/metrics", "/health/ready", STREAM)
NOT_FOUND = "/nothing/here"
EVENTS, RECENT = f"{PREFIX}/events", f"{PREFIX}/events/recent"


@pytest.fixture(scope="module", autouse=True)
def ended_streams() -> Iterator[None]:
    """End every stream when it has told what there is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "OPEN_SECONDS", 0.0)
        yield


@pytest.fixture(scope="module", params=[(), (OUR_PAGE,), ("*",)], ids=["no CORS", "a page", "*"])
def api(small_site: Pipeline, request: pytest.FixtureRequest) -> Iterator[Api]:
    """The application, for pages of no, one and every other origin."""
    settings = api_settings(small_site, cors_origins=request.param)
    with TestClient(create_app(settings)) as client:
        yield Api(client, settings)


def routes_of(api: Api) -> dict[str, HTTPRoute | None]:
    """Every route of the application by a path that it matches, and a path without one."""
    found: dict[str, HTTPRoute | None] = {NOT_FOUND: None}
    for route in api.client.app.routes:
        if isinstance(route, WebSocketRoute):  # tests/api/test_live_socket.py
            continue
        assert isinstance(route, HTTPRoute)
        path = route.path.replace("{user_id:str}", str(messenger.ALICE))
        path = path.replace("{path:str}", "nothing").replace("/batch", "/batch?ask=/engagement")
        path = path.replace("{digest:str}", serving.digest_of(serving.loaded()))
        path = path.replace("{name:str}", "page.js")
        path = path.replace("{thing_id:str}", str(messenger.TEAM))
        found[path.replace("{conversation_id:str}", str(messenger.TEAM))] = route
    return found


def headers_of(api: Api, identity: str, origin: str | None) -> dict[str, str]:
    """The headers of a request of this identity, from a page of this origin."""
    found = {} if origin is None else {"Origin": origin}
    if identity == "rubbish":
        found["Authorization"] = "Bearer rubbish"
    elif identity != "nobody":
        found["Authorization"] = f"Bearer {api.token(Role(identity), messenger.ALICE)}"
    return found


def expected_statuses(path: str, route: HTTPRoute | None, method: str, identity: str) -> set[int]:
    """What a request may be answered with."""
    if route is None:
        return {404}
    if method == "OPTIONS":
        return {204}
    asked = "GET" if method == "HEAD" else method
    if asked not in route.route_handler_map:
        return {405}
    if route.route_handler_map[asked][0].opt.get(PUBLIC):  # type: ignore[index]
        return {404 if path == "/docs/nothing" else 426 if path == SOCKET else 200}
    if identity in ("nobody", "rubbish"):
        return {401}
    allowed = {EVENTS: (Role.ADMIN, Role.SERVICE), RECENT: (Role.ADMIN,)}
    if identity not in allowed.get(path, (Role.ADMIN, Role.MEMBER)):
        return {403}
    # The messenger has no read marks; the body of `POST /events` is empty; a change of what people
    # keep does not say what it replaces.
    return {200, 404} if asked == "GET" else {400} if asked == "POST" else {428}


def require_well_formed(api: Api, answer: httpx.Response, method: str, origin: str | None) -> None:
    """What holds for every answer."""
    found = answer.headers
    assert {name: found[name] for name in PROTECTION} == PROTECTION
    assert found["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in found["content-security-policy"]
    origins = api.settings.cors_origins
    varies = ["Authorization", "Accept", "Accept-Encoding", *(["Origin"] if origins else [])]
    assert found.get_list("vary") == [", ".join(varies)]
    allowed = "*" if "*" in origins else origin if origin in origins else None
    assert found.get("access-control-allow-origin") == (None if origin is None else allowed)
    if answer.status_code == 405 or (method == "OPTIONS" and answer.status_code == 204):
        assert ("GET" in found["allow"]) == ("HEAD" in found["allow"])
    if answer.status_code >= 400:
        assert found["content-type"] == "application/problem+json"
        assert found["cache-control"] in ("no-store", "private")
        if method != "HEAD":
            assert answer.json()["status"] == answer.status_code
    if method == "HEAD":
        assert answer.content == b""


def test_every_route_method_identity_and_origin(api: Api) -> None:
    """No request is answered with 5xx: each has the status of its kind, a problem document if it is
    refused, `Vary` with all that it depends on, and the headers that protect a browser."""
    routes = routes_of(api)
    assert len(routes) > 18
    # Every method and every identity with every origin: the origins come in turn.
    requests = product(routes, METHODS, IDENTITIES)
    for (path, method, identity), origin in zip(requests, cycle(ORIGINS), strict=False):
        answer = api.client.request(method, path, headers=headers_of(api, identity, origin))
        context = (path, method, identity, origin, answer.text)
        expected = expected_statuses(path, routes[path], method, identity)
        assert answer.status_code in expected, context
        require_well_formed(api, answer, method, origin)


@pytest.mark.parametrize("api", [(OUR_PAGE,)], ids=["a page"], indirect=True)
def test_head_is_get_without_a_body(api: Api) -> None:
    """`HEAD` has the status and the headers of `GET`, length and digest included, whether the
    answer is computed, cached, unchanged (304) or an error."""
    for path, identity in product(routes_of(api), IDENTITIES):
        headers = headers_of(api, identity, OUR_PAGE)
        plain = {"Accept-Encoding": "identity"}
        for more in ({}, {}, plain, {"If-None-Match": "*"}):
            head, get = (
                api.client.request(method, path, headers=headers | more)
                for method in ("HEAD", "GET")
            )
            for method, answer in (("HEAD", head), ("GET", get)):
                require_well_formed(api, answer, method, OUR_PAGE)
            differs = PASSING | ({"content-length"} if path in CHANGING else set())
            assert head.status_code == get.status_code
            assert comparable(head, differs) == comparable(get, differs), path
            assert head.content == b""
            if more is plain and get.status_code == 200 and path not in CHANGING:
                assert int(head.headers["content-length"]) == len(get.content) > 0


def comparable(answer: httpx.Response, without: set[str]) -> dict[str, str]:
    """The headers of an answer without these."""
    return {name: value for name, value in answer.headers.items() if name not in without}


def test_the_first_request_of_an_answer_may_be_head(small_site: Pipeline) -> None:
    """An answer that `HEAD` computed is a hit for `GET`, and an answer that `GET` computed is one
    for `HEAD`, which the log and the fast path treat as one request."""
    settings = api_settings(small_site)
    with TestClient(create_app(settings)) as client:
        api = Api(client, settings)
        headers = headers_of(api, Role.ADMIN, None)
        sources = [
            client.request(method, f"{PREFIX}/engagement?days=17", headers=headers).headers
            for method in ("HEAD", "GET", "HEAD")
        ]
    assert [found["x-cache"] for found in sources] == ["bypass", "hit", "hit"]
    assert len({found["etag"] for found in sources}) == 1


@pytest.mark.parametrize("path", [f"{PREFIX}/dashboard", EVENTS, NOT_FOUND])
def test_a_preflight_request_needs_no_token(api: Api, path: str) -> None:
    """A browser that asks what a page may send is told so for the pages of CORS_ORIGINS, and
    nothing for others, with 204 either way."""
    for origin in (OUR_PAGE, FOREIGN_PAGE):
        answer = api.client.options(
            path,
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "PUT",
                "Access-Control-Request-Headers": "authorization, if-match",
            },
        )
        origins = api.settings.cors_origins
        is_allowed = origin in origins or "*" in origins
        assert answer.status_code == (204 if origins or path != NOT_FOUND else 404)
        methods = answer.headers.get("access-control-allow-methods", "").split(", ")
        headers = answer.headers.get("access-control-allow-headers", "").split(", ")
        assert ({"GET", "POST", "PUT", "DELETE"} <= set(methods)) is is_allowed
        assert ({"Authorization", "If-Match", "If-None-Match"} <= set(headers)) is is_allowed
        require_well_formed(api, answer, "GET", origin)
