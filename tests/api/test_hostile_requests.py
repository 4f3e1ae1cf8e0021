"""What strangers send neither fails, nor grows what a worker remembers, nor fills the log."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from api import fast_path
from api.app import PREFIX
from api.auth import Role
from api.bounded import Bounded
from api.edge import PATH_BYTES_MAX, QUERY_BYTES_MAX, Edge
from api.endpoints import ENDPOINTS
from api.events.event import METADATA_BYTES_MAX, UnusableError, read_events, rows_of
from api.telemetry import RequestRecord
from olap.ids import IdTypes
from tests.api import small_messenger as messenger
from tests.api.fix_api import Api
from tests.api.servers import Server
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline

EXTREMES = (
    "", " ", "0", "-1", "1e400", "NaN", "9" * 400, "-9223372036854775808", "9223372036854775807",
    "9223372036854775808", "0001-01-01", "0001-12-31", "0002-01-01", "0002-01-05", "9998-12-31",
    "9999-12-31", "10000-01-01", "0000-00-00", "2026-02-30", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-11-01T24:00:00Z", "2026-W01-1", "true", "null", "\\0", "\0",
    "%00", "\u2028", "\ud7ff\ue000", "é" * 300, "a" * 1000, "'; drop table users; --", "../../etc",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479", "Pacific/Kiritimati", "Etc/GMT+12", "monthly", "csv",
)  # fmt: skip
# Together they shift a date out of the calendar: a zone far ahead or behind, and long buckets.
SHIFTS = [
    {"tz": "Pacific/Kiritimati", "interval": "monthly"},
    {"tz": "Etc/GMT+12", "interval": "weekly"},
]


def is_possible(answer: Any) -> bool:
    """Whether a request had an answer or a problem that it caused itself."""
    return answer.status_code in (200, 400, 404, 410, 414)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_no_extreme_value_is_an_error_of_ours(small_api: Api, endpoint: Any) -> None:
    """Every parameter of every endpoint with extreme values, alone, with each other period and
    zone, in the path and in the query: 400 with a problem that is short, or an answer."""
    names = sorted(endpoint.parameters.query_names())
    admin = small_api.admin()
    paths = [path_with(endpoint.path, str(messenger.ALICE), str(messenger.TEAM))]
    asked: list[tuple[str, dict[str, Any]]] = [
        (paths[0], {name: value}) for name, value in product(names, EXTREMES)
    ]
    if "start" in names:
        shifts = [{k: v for k, v in shift.items() if k in names} for shift in SHIFTS]
        dates = [value for value in EXTREMES if value[:1].isdigit() and "-" in value]
        asked += [
            (paths[0], shift | period)
            for shift, date in product(shifts, dates)
            for period in (
                {"start": date},
                {"end": date},
                {"end": date, "days": "90"},
                {"start": date, "end": "0002-03-01"},
                {"start": date, "end": date},
            )
        ]
    if "{" in endpoint.path:
        asked += [(path_with(endpoint.path, value, value), {}) for value in EXTREMES]
    for path, query in asked:
        answer = admin.get(path, **query)
        assert is_possible(answer), (path, query, answer.text)
        if answer.status_code != 200:
            assert len(answer.content) < 1000


def path_with(path: str, user: str, conversation: str) -> str:
    """The path of an endpoint with these ids."""
    path = path.replace("{user_id:str}", quote(user, safe=""))
    return path.replace("{conversation_id:str}", quote(conversation, safe=""))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('[' * 60 + r'"\u0000"' + ']' * 60, "NUL"),
        ('{"a":' * 60 + r'"\u0000"' + '}' * 60, "NUL"),
        (r'[{"a": [[{"\u0000": 1}]]}]', "NUL"),
        ("[" * 150 + "]" * 150, "nested"),
        ('{"a":' * 450 + r'"\u0000"' + '}' * 450, "nested"),
        ("[" * 900 + "]" * 900, "nested"),
        ("[" * 4000 + "]" * 4000, "nested"),
        (r'"\ud800"', "not JSON"),
        (r'{"\udfff": 1}', "not JSON"),
        ("1e400", "out of range"),
        (f'"{"x" * METADATA_BYTES_MAX}"', "longer"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_stored(content: str, fault: str) -> None:
    """NUL at any depth, lone surrogates, infinite numbers, and what is nested too deeply or too
    long are refused with a reason, and never an error of ours."""
    body = b'{"event_type": "message.sent", "metadata": {"a": %b}}' % content.encode()
    with pytest.raises(UnusableError, match=fault):
        rows_of(read_events(body, IdTypes()), messenger.NOW)


@pytest.mark.parametrize(
    "content", ["[" * 98 + "]" * 98, "9" * 1000, r'"\\u0000"', '"[[[["', "-0.0", '{"": {"": []}}']
)
def test_metadata_that_can_be_stored(content: str) -> None:
    """Deep, long and odd metadata are stored as they are."""
    body = b'{"event_type": "message.sent", "metadata": {"a": %b}}' % content.encode()
    (row,) = rows_of(read_events(body, IdTypes()), messenger.NOW)
    assert json.loads(row.content)["metadata"]["a"] == json.loads(content)


def test_a_url_that_is_too_long_is_414(small_site: Pipeline, new_api: Callable[..., Api]) -> None:
    """A query string above 2 KB and a path above 4 KB are refused with a problem, with and without
    a token; the log has a part of them, and nothing remembers them."""
    api = new_api(small_site)  # its logger is that of this test
    admin = api.admin()
    fitting = "tz=" + "x" * (QUERY_BYTES_MAX - 3)
    for caller, path, status in (
        (admin, f"/dashboard?{fitting}", 400),
        (admin, f"/dashboard?{fitting}x", 414),
        (api.anonymous(), f"/dashboard?{fitting}x", 414),
        (admin, "/user/" + "x" * (PATH_BYTES_MAX - len(PREFIX) - 6), 400),
        (admin, "/user/" + "x" * PATH_BYTES_MAX, 414),
        (admin, "/user/" + "%C3%A9" * (PATH_BYTES_MAX // 6), 414),
    ):
        with structlog.testing.capture_logs() as lines:
            answer = caller.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 700
        (line,) = [line for line in lines if line["event"] == "request"]
        assert line["status"] == status
        assert len(line["path"]) < 600 and len(line["query"]) < 600


def test_problems_and_logs_contain_a_part_of_what_was_sent(small_api: Api) -> None:
    """A long name or value of a parameter is cut in the problem."""
    long = "v" * 1500
    queries: list[dict[str, Any]] = [{long: "1"}, {"include_bots": long}, {"interval": long}]
    for query in queries:
        refused = small_api.admin().get("/timeline", **query)
        assert refused.status_code == 400
        assert len(refused.content) < 900
        assert len(refused.json()["parameter"]) < 130


def test_the_fast_path_is_bounded_in_bytes(
    small_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many different URLs of one answer are asked, the queries kept for them take no more
    than their bytes, and the newest is kept."""
    monkeypatch.setattr(fast_path, "_BYTES_MAX", 30_000)
    made: list[fast_path.FastPath] = []
    init = fast_path.FastPath.__init__

    def noted(self: fast_path.FastPath) -> None:
        init(self)
        made.append(self)

    monkeypatch.setattr(fast_path.FastPath, "__init__", noted)
    admin = new_api(small_site).admin()
    for number in range(60):
        assert admin.get(f"/engagement?days={number + 1}{'&' * 900}").status_code == 200
    (kept,) = made
    assert 0 < kept._asked.size <= 30_000
    assert 5 < len(kept._asked) < 30


def test_a_bounded_mapping() -> None:
    """The older half goes when the bytes of all entries exceed the bound; an entry that is replaced
    or dropped no longer counts; one that is too large alone is not kept."""
    found: Bounded[str, bytes] = Bounded(10_000, lambda key, value: len(key) + len(value))
    for number in range(200):
        found.put(f"{number:03}", b"x" * 497)
        assert found.size == 1000 * len(found) <= 10_000
        assert found.get(f"{number:03}") is not None
    assert found.get("000") is None and len(found) >= 5
    last = found.size
    found.put("199", b"")
    assert found.size == last - 497
    found.drop("199")
    found.drop("199")
    assert (found.get("199"), found.size) == (None, last - 1000)
    found.put("huge", b"x" * 20_000)
    assert found.get("huge") is None and found.size == 0
    found.put("small", b"")
    found.clear()
    assert (len(found), found.size) == (0, 0)


def test_a_client_that_hangs_up_in_the_middle_of_its_body(small_server: Server) -> None:
    """It is one line of the log with status 499, is counted as such, and nothing is an error."""
    bearer = token(Role.SERVICE, "bot")
    with socket.create_connection(("127.0.0.1", small_server.port)) as connection:
        head = (
            f"POST {PREFIX}/events HTTP/1.1\r\nHost: x\r\nX-Request-ID: hung-up\r\n"
            f"Authorization: Bearer {bearer}\r\nContent-Length: 1000\r\n\r\n"
        )
        connection.sendall(head.encode() + b'{"event_type":')
        time.sleep(0.2)  # the body is awaited; without the pause the test is the same
    deadline = time.monotonic() + 300
    while True:
        text = small_server.log.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in text.splitlines() if '"hung-up"' in line]
        if any(line["event"] == "request" for line in lines):
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [(line["event"], line["status"], line["level"]) for line in lines] == [
        ("request", 499, "info")
    ]


def ask(application: Any, *, received: Any, is_gone: bool) -> tuple[list[Any], list[int]]:
    """What an application sends at the edge, and the statuses recorded; the client may be gone."""
    sent: list[Any] = []
    statuses: list[int] = []

    class Record(RequestRecord):
        def __call__(self, scope: Any, method: str, status: int, seconds: float) -> None:
            statuses.append(status)

    async def receive() -> Any:
        return received

    async def send(message: Any) -> None:
        if is_gone:
            raise OSError
        sent.append(message)

    scope: Any = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(Edge(application, Record(), None, batch_path="/batch")(scope, receive, send))
    return sent, statuses


def test_a_client_that_hangs_up_in_the_middle_of_the_answer() -> None:
    """A server that cannot send any more raises OSError: that is 499, and the application gets no
    error."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        assert await receive() == {"type": "http.disconnect"}

    gone = {"type": "http.disconnect"}
    assert ask(application, received=gone, is_gone=True) == ([], [499])
    sent, statuses = ask(application, received=gone, is_gone=False)
    assert (len(sent), statuses) == (3, [200])
