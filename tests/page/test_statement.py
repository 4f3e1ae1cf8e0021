"""The statement that `?` shows gives, in the published file, the numbers that the page shows."""

from __future__ import annotations

from typing import Any

import duckdb
import httpx
import msgspec
import pytest

from api.app import PREFIX
from api.schemas import plain
from tests.api.servers import Server
from tests.fix_pipeline import Pipeline
from tests.page import community
from tests.page.cards_in_quickjs import STATE
from tests.page.fix_community import admin_token, member_token
from tests.page.modules import Modules

PAGE = Modules(
    "cards/index.js",
    "cards/more.js",
    "drill/person.js",
    "drill/conversation.js",
    "statement.js",
    "view.js",
)
ZONE = "Asia/Kathmandu"
METRIC = {
    "metric": "top_senders",
    "endpoints": ["/top-senders"],
    "parameters": [
        "since timestamp", "until timestamp := null", "for_conversation := null",
        "for_type := null", "top_n := 10", "visible_to := null", "include_bots := true",
    ],
}  # fmt: skip
INTEGERS = {"user": "integer", "conversation": "uuid"}

# Each metric of each piece that the viewer of a state has, with the ask that shows it.
_EXPLAINED = """(state, role, subject, zone, generation, metrics) => {
  const today = Date.parse(generation.data_through);
  const lastDays = (count) => ({
    start: new Date(today - (count - 1) * 86400000).toISOString().slice(0, 10),
  });
  const view = { state, role, subject, zone, interval: "daily", generation, lastDays,
    period: { ...lastDays(30), tz: zone }, live: { minutes: null } };
  return [...OVERVIEW, ...MORE, ...PERSON, ...CONVERSATION]
    .filter((piece) => isFor(piece, view))
    .flatMap((piece) => piece.metrics.map((name) => {
      const metric = metrics.find((one) => one.metric === name && one.is_newest);
      const ask = askOf(metric, Object.values(piece.asks(view)));
      return { piece: piece.id, metric, ask: ask ?? null };
    }));
}"""


def statement(
    metric: dict[str, Any], ask: Any, body: Any, viewer: str | None, id_types: dict[str, str]
) -> str:
    """The statement of `?`."""
    found: str = PAGE.run("statementOf", metric, ask, body, viewer, id_types)
    return found


@pytest.mark.parametrize(
    ("parameters", "viewer", "expected"),
    [
        ({}, None, ""),
        ({"limit": "10", "include_bots": "true"}, None, ""),
        ({"limit": "8", "include_bots": "false"}, None, "top_n := 8,\n  include_bots := false"),
        ({"type": "it's"}, None, "for_type := 'it''s'"),
        ({"conversation_id": "0f"}, "7", "for_conversation := '0f',\n  visible_to := 7"),
    ],
)
def test_exactly_this_statement(
    parameters: dict[str, str], viewer: str | None, expected: str
) -> None:
    """What is the default is left out; texts are quoted, and ids are written as their types are."""
    body = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-02T12:30:00.5Z", "top_senders": []}
    ask = {"path": "/top-senders", "parameters": parameters}
    period = (
        "since := timestamp '2026-11-01 00:00:00',\n  until := timestamp '2026-11-02 12:30:00.5'"
    )
    rest = f",\n  {expected}" if expected else ""
    assert statement(METRIC, ask, body, viewer, INTEGERS) == (
        f"from metrics.top_senders(\n  {period}{rest}\n);"
    )


def test_an_id_in_a_path_is_a_parameter() -> None:
    """It is decoded; an id that is a text is quoted."""
    metric = {
        "metric": "user_activity", "endpoints": ["/user/{user_id}"], "parameters": ["for_user"],
    }  # fmt: skip
    ask = {"path": "/user/%40ann%2Fx", "parameters": {}}
    assert (
        PAGE.run("(metric, asks) => askOf(metric, asks)", metric, [{"path": "/user"}, ask]) == ask
    )
    found = statement(metric, ask, {}, None, {"user": "string"})
    assert found == "from metrics.user_activity(\n  for_user := '@ann/x'\n);"


@pytest.mark.parametrize("role", ["admin", "member"])
def test_every_statement_gives_the_numbers_of_the_page(
    community_site: Pipeline, community_server: Server, role: str
) -> None:
    """Of every metric of every piece, for an administrator and for a member, row by row."""
    bearer = admin_token() if role == "admin" else member_token()
    viewer = None if role == "admin" else str(community.ALICE)
    headers = {"Authorization": f"Bearer {bearer}"}
    with httpx.Client(
        base_url=community_server.url + PREFIX, headers=headers, timeout=60
    ) as client:
        generation = client.get("/generation").json()
        metrics = client.get("/catalog").json()["metrics"]
        conversation = str(community.conversation_id(community.ENGINEERING))
        state = STATE | {"user_id": str(community.ALICE), "conversation_id": conversation}
        explained = PAGE.run(
            _EXPLAINED, state, role, str(community.ALICE), ZONE, generation, metrics
        )
        assert len(explained) > 20
        path = community_site.layout.pointer
        with duckdb.connect(str(path), read_only=True) as file:
            for one in explained:
                assert one["ask"] is not None, one["piece"]
                ask, metric = one["ask"], one["metric"]
                given = {k: v for k, v in ask["parameters"].items() if v} | {"ids": "text"}
                answer = client.get(ask["path"], params=given)
                assert answer.status_code == 200, (one["piece"], answer.text)
                body = answer.json()
                text = statement(metric, ask, body, viewer, generation["id_types"])
                assert rows_of(file, text) == shown_in(body, text, file), (one["piece"], text)


def rows_of(file: duckdb.DuckDBPyConnection, text: str) -> list[dict[str, Any]]:
    """The rows of a statement as JSON has them, with ids as texts."""
    result = file.execute(text)
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    found: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode([plain(r) for r in rows]))
    return [{k: str(v) if k.endswith("_id") else v for k, v in row.items()} for row in found]


def shown_in(body: dict[str, Any], text: str, file: duckdb.DuckDBPyConnection) -> Any:
    """The same from an answer: the columns of the statement, of its list or of its fields."""
    names = [column[0] for column in file.execute(text).description]
    lists = [value for value in body.values() if isinstance(value, list)]
    return [{name: row.get(name) for name in names} for row in (lists[0] if lists else [body])]
