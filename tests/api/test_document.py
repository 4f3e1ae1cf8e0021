"""The OpenAPI document in the form that generators like, and its page under a strict policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from litestar.testing import TestClient

from api.app import PREFIX, create_app
from api.endpoints import ENDPOINTS
from api.kept.cards import CARDS
from api.kept.things import STATE, NewThing
from tests.api.fix_api import Api, api_settings
from tests.fix_pipeline import Pipeline

OPERATIONS = {
    *(one.name for one in ENDPOINTS),
    *("batch", "stream", "post_events", "recent_events", "live", "ready"),
    *("kept_things", "kept_templates", "kept_thing", "put_thing", "delete_thing"),
}


@pytest.fixture(scope="module")
def document(small_api: Api) -> Any:
    """The document as clients read it."""
    return small_api.client.get("/docs/openapi.json").json()


@pytest.fixture(scope="module")
def below_chat(small_site: Pipeline) -> Iterator[TestClient[Any]]:
    """The application behind a proxy that serves it below `/chat`."""
    with TestClient(create_app(api_settings(small_site, root_path="/chat"))) as client:
        yield client


def operations(document: Any) -> Iterator[dict[str, Any]]:
    """The operations of a document."""
    for methods in document["paths"].values():
        yield from methods.values()


def test_operations_have_short_names(document: Any) -> None:
    """Each operation has the name of its endpoint, which generated clients use for a function."""
    names = [one["operationId"] for one in operations(document)]
    assert len(names) == len(set(names)) and set(names) == OPERATIONS


def test_the_server_is_where_the_client_sees_it(document: Any, below_chat: TestClient[Any]) -> None:
    """`servers` has the path below which a proxy serves the API, so that paths are complete."""
    assert document["servers"] == [{"url": "/"}]
    assert below_chat.get("/docs/openapi.json").json()["servers"] == [{"url": "/chat"}]


def test_an_event_is_a_component(document: Any) -> None:
    """The body of `POST /events` refers to `Event`: one, or a list of them."""
    body = document["paths"][f"{PREFIX}/events"]["post"]["requestBody"]["content"]
    one, several = body["application/json"]["schema"]["oneOf"]
    assert one == several["items"] == {"$ref": "#/components/schemas/Event"}
    assert (several["minItems"], several["maxItems"]) == (1, 1000)
    event = document["components"]["schemas"]["Event"]
    assert set(event["properties"]) == {
        "event_type", "id", "user_id", "conversation_id", "metadata"
    }  # fmt: skip
    assert event["additionalProperties"] is False


def test_a_thing_is_a_component(document: Any) -> None:
    """The body of `PUT /kept/{id}` is a view or a dashboard, and has exactly the fields, the
    parameters and the cards that are accepted; both of its answers have the version as `ETag`."""
    schemas = document["components"]["schemas"]
    put = document["paths"][f"{PREFIX}/kept/{{thing_id}}"]["put"]
    content = put["requestBody"]["content"]["application/json"]
    assert content == {"schema": {"$ref": "#/components/schemas/NewThing"}}
    view, dashboard = schemas["NewView"], schemas["NewDashboard"]
    assert set(dashboard["properties"]) == set(NewThing.__struct_fields__)
    assert set(dashboard["properties"]) - set(view["properties"]) == {"cards"}
    assert set(schemas["NewState"]["properties"]) == set(STATE)
    card = schemas["NewCard"]["properties"]
    assert set(card["card"]["enum"]) == set(CARDS) and card["width"]["enum"] == [1, 2, 3]
    assert set(schemas["NewParameters"]["properties"]) == set().union(*CARDS.values())
    for name in ("NewView", "NewDashboard", "NewState", "NewCard", "NewParameters"):
        assert schemas[name]["additionalProperties"] is False
    assert all("ETag" in put["responses"][status]["headers"] for status in ("200", "201"))


def test_parameters_are_plain(document: Any) -> None:
    """A parameter that may be left out is not required, and never null; a period says its formats
    and which parameters exclude each other; every read has `format`, `bom` and `ids`."""
    for operation in operations(document):
        found = {one["name"]: one for one in operation.get("parameters", ())}
        for parameter in found.values():
            assert "null" not in str(parameter["schema"]), parameter
            is_ask = parameter["name"] == "ask"
            assert parameter["required"] is (parameter["in"] == "path" or is_ask)
        if "days" in found:
            formats = [one["format"] for one in found["start"]["schema"]["anyOf"]]
            assert formats == ["date", "date-time"] and found["end"]["schema"]["anyOf"]
            assert found["days"]["description"].endswith("Excludes start.")
            assert found["start"]["description"].endswith("Excludes days.")
            assert found["days"]["schema"]["maximum"] in (90, 365)
            assert {"whole_days", "compare"} <= set(found)
        if operation["operationId"] in {one.name for one in ENDPOINTS}:
            assert {"format", "bom", "ids"} <= set(found)
            assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/csv"}
            assert "Content-Disposition" in operation["responses"]["200"]["headers"]


def test_every_reference_exists(document: Any) -> None:
    """Each `$ref` leads to a component."""
    schemas = document["components"]["schemas"]
    found = set(re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(document)))
    assert "Event" in found and found <= set(schemas)


class Page(HTMLParser):
    """What a policy without inline code forbids in a page, and what the page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.loaded: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_script = tag == "script"
        self.inline += [tag] if tag in ("style", "base") else []
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += [url for url in given.values() if url and url.startswith("javascript:")]
        if tag in ("script", "link", "img"):
            self.loaded.append(str(given.get("src") or given.get("href")))

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False


@pytest.mark.parametrize("root", ["", "/chat"])
def test_the_page_keeps_the_policy(small_api: Api, below_chat: TestClient[Any], root: str) -> None:
    """The page has no script, style or handler in itself, and each file that it loads is served
    here, below the proxy's path and with its type."""
    client = below_chat if root else small_api.client
    answer = client.get("/docs")
    page = Page(answer.text)
    assert page.inline == []
    assert f'data-root="{root}"' in answer.text
    types = {"svg": "image/svg+xml", "css": "text/css", "js": "text/javascript"}
    assert len(page.loaded) == 4 and len(set(page.loaded)) == 3
    for url in page.loaded:
        assert url.startswith(f"{root}/") and not url.startswith("//")
        file = client.get(url.removeprefix(root))
        assert file.status_code == 200
        given = file.headers["content-type"].partition(";")[0]
        assert given == types[url.rpartition(".")[2]]
    assert "innerHTML" not in client.get("/docs/docs.js").text


def test_the_check_of_the_page_detects_inline_code() -> None:
    """A style, a handler, a script and a URL with code are each detected."""
    for text in (
        "<style>p {}</style>",
        '<p style="color: red">',
        '<p onclick="f()">',
        "<script>f()</script>",
        '<a href="javascript:f()">',
        '<base href="/">',
    ):
        assert Page(text).inline, text


def test_every_answer_has_the_policy(small_api: Api) -> None:
    """Pages, files, answers and errors allow nothing inline and nothing from elsewhere, and no
    other type than they say."""
    admin = small_api.admin()
    client = small_api.client
    answers = [
        *(client.get(path) for path in ("/docs", "/docs/docs.js", "/docs/openapi.json")),
        *(client.get(path) for path in ("/favicon.svg", "/health/ready", "/metrics", "/nothing")),
        *(admin.get(path) for path in ("/dashboard", "/dashboard", "/dashboard?days=0")),
        admin.get("/top-senders", format="csv"),
        small_api.anonymous().get("/dashboard"),
        client.put(f"{PREFIX}/dashboard"),
        client.options(f"{PREFIX}/dashboard"),
    ]
    for answer in answers:
        policy = dict(
            part.strip().split(" ", 1)
            for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in str(policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
