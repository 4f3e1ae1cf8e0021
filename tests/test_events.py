"""Events: which are accepted, which are refused and why, and where they are stored."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg
import pytest
import redis
import structlog
from httpx import Response
from litestar.testing import TestClient
from msgspec.structs import asdict

from api.auth import Role
from api.background import Supervisor
from api.deployment import Deployment
from api.events import feed as feed_module
from api.events.event import Event, EventType, Row, UnusableError, read_events, rows_of
from api.events.handlers import event_schema
from api.events.queue import NotStoredError, Queue
from api.events.service import Events
from api.events.table import AwayError, EventTable, UnstorableError
from api.events.writer import RefusedError, Writer
from api.seal import Seal
from olap import sqlfiles
from olap.ids import IdTypes
from olap.manifest import SourceIdentity
from olap.mapping import read_mapping
from olap.redis_keys import UNNAMED_WAITING, RedisKeys
from olap.secret import Hidden, Secret
from olap.settings import Settings
from tests.events_app import app
from tests.own_servers import OwnValkey, talking_nonsense
from tests.tokens import SECRET, Signer
from tests.world import World

SIGNER = Signer.new("HS256")
_WAIT_ROUNDS = 30_000  # of a hundredth of a second; reached only if nothing happens
CONVERSATION = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
NO_REDIS = "redis://127.0.0.1:1/0"
KEYS = RedisKeys("queue")
INSERT = read_mapping("messenger").events_sink or ""


@pytest.fixture
def settings(database: str, valkey_url: str) -> Settings:
    """A new database, and names in Redis of this test."""
    return Settings(
        jwt_secret=Hidden(SECRET),
        database_url=Secret(database),
        redis_url=Secret(valkey_url),
        redis_prefix=f"test-{uuid4()}",
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient[Any]]:
    """A client of the events' part of the API."""
    with TestClient(app(settings)) as found:
        yield found


def post(client: TestClient[Any], events: Any, role: Role = Role.SERVICE) -> Response:
    """Post events, as JSON or as bytes."""
    content = events if isinstance(events, bytes) else json.dumps(events).encode()
    headers = {
        "Authorization": SIGNER.bearer(role=role, sub="messenger" if role != "member" else "7")
    }
    return client.post("/events", content=content, headers=headers)


def recent(client: TestClient[Any], **parameters: Any) -> Response:
    """The feed, read by an administrator."""
    headers = {"Authorization": SIGNER.bearer(role="admin")}
    return client.get("/events/recent", params=parameters, headers=headers)


def stored(settings: Settings) -> list[dict[str, Any]]:
    """The rows of the table."""
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url.reveal()) as connection:
        cursor = connection.execute(
            "select to_jsonb(e) from analytics_events e order by created_at"
        )
        return [row for (row,) in cursor]


def test_one_event(client: TestClient[Any], settings: Settings) -> None:
    """An event returns 202 and its uuid, and is in the table as it was sent."""
    identity = str(uuid4())
    before = datetime.now(UTC)
    answer = post(
        client,
        {
            "id": identity,
            "event_type": "file.uploaded",
            "user_id": 7,
            "conversation_id": CONVERSATION,
            "metadata": {
                "file_name": "schön \\u0000.png",
                "file_size": 2**80,
                "deep": [{"a": None}],
            },
        },
    )
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "ids": [identity]})
    (row,) = stored(settings)
    created_at = datetime.fromisoformat(row.pop("created_at"))
    assert before <= created_at <= datetime.now(UTC)
    assert row == {
        "id": identity,
        "event_type": "file.uploaded",
        "user_id": 7,
        "conversation_id": CONVERSATION,
        "metadata": {"file_name": "schön \\u0000.png", "file_size": 2**80, "deep": [{"a": None}]},
    }


def test_an_integer_may_be_written_with_a_point(
    client: TestClient[Any], settings: Settings
) -> None:
    """In JSON 7.0 is an integer, so it is user 7; a number beyond a float's precision is
    refused."""
    assert post(client, b'{"event_type":"user.online","user_id":7.0}').status_code == 202
    assert post(client, b'{"event_type":"user.online","user_id":1e17}').status_code == 400
    assert [row["user_id"] for row in stored(settings)] == [7]


def test_all_types_at_once(client: TestClient[Any], settings: Settings) -> None:
    """The ten types of the requirement are accepted with nothing but the type; ids are
    generated."""
    answer = post(client, [{"event_type": kind.value} for kind in EventType], Role.ADMIN)
    assert answer.status_code == 202
    rows = stored(settings)
    assert len(rows) == 10
    assert {row["event_type"] for row in rows} == {kind.value for kind in EventType}
    assert {row["id"] for row in rows} == set(answer.json()["ids"])
    assert {(row["user_id"], row["conversation_id"], str(row["metadata"])) for row in rows} == {
        (None, None, "{}")
    }


def test_a_retry_is_harmless(client: TestClient[Any], settings: Settings) -> None:
    """Sending the same uuids again returns 202, and changes neither the table nor the feed."""
    events = [{"id": str(uuid4()), "event_type": "user.online", "user_id": n} for n in range(3)]
    assert post(client, events).status_code == 202
    rows = stored(settings)
    changed = [event | {"user_id": 99} for event in reversed(events)]
    answer = post(client, [*changed, changed[0]])
    assert (answer.status_code, answer.json()["accepted"]) == (202, 4)
    assert stored(settings) == rows
    assert sorted(event["user_id"] for event in until_recent(client, 3)) == [0, 1, 2]


def test_a_thousand_and_no_more(client: TestClient[Any], settings: Settings) -> None:
    """A request with 1,000 events of 8 KB is accepted; one with 1,001 or none is refused."""
    event = {"event_type": "message.sent", "metadata": {"text": "a" * (8192 - 11)}}
    assert post(client, [event] * 1000).status_code == 202
    assert len(stored(settings)) == 1000
    for events in ([event] * 1001, []):
        answer = post(client, events)
        assert answer.status_code in (400, 413)
    assert len(stored(settings)) == 1000


SENT = {"event_type": "message.sent"}


@pytest.mark.parametrize(
    ("events", "where"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b'"message.sent"', "body"),
        (b"\xff", "body"),
        (
            b'{"event_type":"message.sent","metadata":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
            "body",
        ),
        ({}, "body"),
        ({"event_type": "message.seen"}, "event_type"),
        ([SENT, SENT | {"user_id": "7"}], "[1].user_id"),
        (SENT | {"user_id": 2**63}, "user_id"),
        (SENT | {"user_id": 7.5}, "user_id"),
        (SENT | {"id": "7"}, "id"),
        (SENT | {"conversation_id": "room"}, "conversation_id"),
        (SENT | {"created_at": "2026-01-01T00:00:00Z"}, "body"),
        (SENT | {"metadata": "text"}, "metadata"),
        (SENT | {"metadata": {"text": "a" * (8192 - 10)}}, "metadata"),
        ([SENT, SENT | {"metadata": {"a": ["b", {"c": "\0"}]}}], "[1].metadata"),
        (SENT | {"metadata": {"\0": 1}}, "metadata"),
        (b'{"event_type":"message.sent","metadata":{"a":1e999}}', "metadata[...]"),
        (b'{"event_type":"message.sent","metadata":{"a":"\\ud800"}}', "body"),
    ],
    ids=range(19),
)
def test_an_invalid_request_is_refused(
    client: TestClient[Any], settings: Settings, events: Any, where: str
) -> None:
    """An invalid event returns 400 and names the part, and no event of the request is stored."""
    answer = post(client, events)
    assert answer.status_code == 400
    assert where in answer.json()["detail"]
    assert stored(settings) == []


def test_who_may_post_and_read(client: TestClient[Any], settings: Settings) -> None:
    """Services and administrators may post, administrators may read, and others neither."""
    posted = {role: post(client, SENT, role).status_code for role in Role}
    assert posted == {Role.ADMIN: 202, Role.SERVICE: 202, Role.MEMBER: 403}
    assert client.post("/events", json=SENT).status_code == 401
    for role, status in {Role.ADMIN: 200, Role.SERVICE: 403, Role.MEMBER: 403}.items():
        headers = {"Authorization": SIGNER.bearer(role=role)}
        assert client.get("/events/recent", headers=headers).status_code == status
    assert len(stored(settings)) == 2


def until_recent(client: TestClient[Any], number: int) -> list[dict[str, Any]]:
    """The feed, when it has so many events."""
    for _ in range(_WAIT_ROUNDS):
        found: list[dict[str, Any]] = recent(client, limit=10_000).json()["events"]
        if len(found) >= number:
            return found
        time.sleep(0.01)
    raise AssertionError("the feed does not have the events")


def test_the_feed(client: TestClient[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed shows the newest events first, up to the limit, and keeps no more than its
    length."""
    monkeypatch.setattr(feed_module, "LENGTH", 50)
    assert recent(client).json() == {"events": [], "available": True}
    for number in range(6):
        events = [SENT | {"user_id": number * 10 + n, "metadata": {"n": n}} for n in range(10)]
        assert post(client, events).status_code == 202
    for _ in range(_WAIT_ROUNDS):
        found = recent(client, limit=1000).json()["events"]
        if found and found[0]["user_id"] == 59:
            break
        time.sleep(0.01)
    assert [event["user_id"] for event in found] == list(range(59, 9, -1))
    assert found[0]["metadata"] == {"n": 9}
    assert found[0]["created_at"].endswith("Z")
    assert len(recent(client, limit=7).json()["events"]) == 7
    assert recent(client, limit=0).status_code == recent(client, limit=10_001).status_code == 400


def test_the_feed_with_ids_as_texts(client: TestClient[Any]) -> None:
    """With `ids=text` an id beyond 2^53 is a text, digit by digit; other numbers stay numbers."""
    big = 2**53 + 1
    event = SENT | {"user_id": big, "metadata": {"user_id": big, "share": 1.50, "none": None}}
    assert post(client, event).status_code == 202
    (own,) = until_recent(client, 1)
    (found,) = recent(client, ids="text").json()["events"]
    assert found == own | {"user_id": "9007199254740993"} and own["user_id"] == big
    assert recent(client, ids="numbers").status_code == 400


def test_without_redis(settings: Settings) -> None:
    """Without the cache's Redis events are accepted, and the feed is not available."""
    settings = replace(settings, redis_url=Secret(NO_REDIS))
    with TestClient(app(settings)) as client:
        assert post(client, SENT).status_code == 202
        assert recent(client).json() == {"events": [], "available": False}
    assert len(stored(settings)) == 1


def test_without_postgresql(settings: Settings) -> None:
    """If neither PostgreSQL nor a durable Redis confirms, the answer is 503 with `Retry-After`."""
    for url in (None, Secret("postgresql://127.0.0.1:1/none")):
        with TestClient(app(replace(settings, database_url=url))) as client:
            answer = post(client, SENT)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "2"


def test_events_may_have_their_own_database(settings: Settings) -> None:
    """EVENTS_DATABASE_URL takes precedence over DATABASE_URL."""
    url, settings = settings.database_url, replace(settings, database_url=Secret("host=nowhere"))
    settings = replace(settings, events_database_url=url)
    with TestClient(app(settings)) as client:
        assert post(client, SENT).status_code == 202
    assert len(stored(replace(settings, database_url=url))) == 1


async def _together(settings: Settings, *events: dict[str, Any]) -> list[Any]:
    """The results of requests that arrive at the same time, each with one event."""
    parts = Events(settings, Deployment(settings))
    async with parts.running(Supervisor()):
        bodies = [json.dumps(event).encode() for event in events]
        taking = [parts.receive(body, datetime.now(UTC)) for body in bodies]
        return list(await asyncio.gather(*taking, return_exceptions=True))


def test_a_round_that_ends_late_leaves_no_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round that opens a connection while the API stops is waited for, and its connection is
    closed."""
    opened = []
    connect, close = EventTable._connect, Writer.close

    async def noted(table: EventTable) -> psycopg.AsyncConnection[Any]:
        opened.append(await connect(table))
        return opened[-1]

    async def close_during_a_round(writer: Writer) -> None:
        await close(writer)
        writer._note_away("as if it had been")
        await writer.maintain_once()

    monkeypatch.setattr(EventTable, "_connect", noted)
    monkeypatch.setattr(Writer, "close", close_during_a_round)
    with TestClient(app(settings)) as client:
        assert post(client, SENT).status_code == 202
    assert len(opened) > 1
    assert [one for one in opened if not one.closed] == []


def test_one_bad_event_fails_its_own_request_only(settings: Settings) -> None:
    """When the database refuses the event of one request, the others of its group are stored."""
    assert settings.database_url is not None
    with World(settings.database_url.reveal()) as world:
        world.execute("alter table analytics_events add check (user_id <> 13)")
    found = asyncio.run(_together(settings, *(SENT | {"user_id": n} for n in range(20))))
    assert [n for n, result in enumerate(found) if not isinstance(result, list)] == [13]
    assert isinstance(found[13], RefusedError)
    assert sorted(row["user_id"] for row in stored(settings)) == [n for n in range(20) if n != 13]


def test_requests_share_a_commit(settings: Settings) -> None:
    """Requests that arrive at the same time are written in a few transactions."""
    assert settings.database_url is not None
    asyncio.run(_together(settings, *[SENT] * 200))
    with psycopg.connect(settings.database_url.reveal()) as connection:
        row = connection.execute(
            "select count(*), count(distinct xmin::text) from analytics_events"
        ).fetchone()
    assert row is not None
    assert row[0] == 200
    assert row[1] <= 4


def test_commits_reach_the_disk(settings: Settings) -> None:
    """Our commits wait for the disk, even if the server's default does not."""
    assert settings.database_url is not None
    url = settings.database_url

    async def scenario() -> str:
        table = EventTable(url, INSERT)
        await table.write([])
        assert table._connection is not None
        cursor = await table._connection.execute("show synchronous_commit")
        row = await cursor.fetchone()
        await table.close()
        return str(row[0]) if row else ""

    with psycopg.connect(url.reveal()) as connection:
        (default,) = connection.execute("show synchronous_commit").fetchone() or ("",)
    assert asyncio.run(scenario()) == ("local" if default == "off" else default)


def rows(*users: int) -> list[Row]:
    """Events of these users, as rows."""
    return rows_of([Event(event_type=EventType.USER_ONLINE, user_id=n) for n in users], NOW)


NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_writers_of_the_same_events_do_not_deadlock(settings: Settings) -> None:
    """Writers with the same uuids in opposite order all succeed, and each uuid is stored once."""
    assert settings.database_url is not None
    url = settings.database_url
    many = rows(*range(3000))

    async def scenario() -> None:
        tables = [EventTable(url, INSERT) for _ in range(4)]
        for _ in range(3):
            await asyncio.gather(
                *(table.write(many[:: (1, -1)[n % 2]]) for n, table in enumerate(tables))
            )
        for table in tables:
            await table.close()

    asyncio.run(scenario())
    assert len(stored(settings)) == 3000


def test_a_write_to_a_locked_table_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another session has an exclusive lock, a write fails at its time limit and does not
    hang."""
    monkeypatch.setattr("api.events.table._STATEMENT_SECONDS", 2.0)
    assert settings.database_url is not None
    url = settings.database_url

    async def attempt() -> None:
        table = EventTable(url, INSERT)
        with pytest.raises(AwayError, match="statement timeout"):
            await table.write(rows(1))
        assert table._connection is None

    with psycopg.connect(url.reveal()) as holder:
        holder.execute("lock table analytics_events")
        asyncio.run(attempt())
    assert stored(settings) == []


def test_rows_that_cannot_be_stored_are_not_an_outage(settings: Settings) -> None:
    """When PostgreSQL refuses the rows, the connection stays open and the next write succeeds."""
    assert settings.database_url is not None
    table = EventTable(settings.database_url, INSERT)

    async def scenario() -> None:
        with pytest.raises(UnstorableError):
            await table.write([Row("x", b'{"id":"no uuid"}')])
        assert await table.write(rows(1))
        await table.close()

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def durable_server() -> Iterator[OwnValkey]:
    """A durable Valkey."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        server = OwnValkey(Path(directory))
        server.start()
        yield server
        server.end()


@pytest.fixture
def durable(durable_server: OwnValkey) -> OwnValkey:
    """The same, empty."""
    with redis.Redis.from_url(durable_server.url) as client:
        client.flushall()
    return durable_server


def test_a_queue_keeps_in_order(durable: OwnValkey) -> None:
    """The queue returns events oldest first, and a removed event leaves it."""
    some = rows(1, 2, 3)

    async def scenario() -> None:
        queue = Queue(Secret(durable.url))
        stream = KEYS.waiting_events
        await queue.append(KEYS, some)
        assert await queue.depth(stream) == 3
        found = await queue.oldest(stream, 2)
        assert [entry.row for entry in found] == some[:2]
        await queue.remove(stream, found)
        rest = await queue.oldest(stream, 1)
        await queue.refuse(stream, rest[0], KEYS.refused_events)
        assert await queue.depth(stream) == 0
        await queue.close()

    asyncio.run(scenario())
    with redis.Redis.from_url(durable.url) as client:
        assert client.xlen(KEYS.refused_events) == 1


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("appendonly", "no", "no append-only file"),
        ("maxmemory-policy", "allkeys-lru", "may evict"),
        ("maxmemory", "1", "maxmemory"),
    ],
)
def test_a_redis_that_is_not_durable_stores_nothing(
    durable: OwnValkey, setting: str, value: str, reason: str
) -> None:
    """A Redis without an append-only file, with eviction, or full, stores no event, at any time."""
    with redis.Redis.from_url(durable.url) as client:
        before = client.config_get(setting)[setting]
        depth = client.xlen(KEYS.waiting_events)

        async def scenario() -> None:
            queue = Queue(Secret(durable.url))
            await queue.require_durable()
            client.config_set(setting, value)
            with pytest.raises(NotStoredError, match=reason):
                await queue.append(KEYS, rows(1))
            await queue.close()

        try:
            asyncio.run(scenario())
        finally:
            client.config_set(setting, before)
        assert client.xlen(KEYS.waiting_events) == depth


def until_stored(settings: Settings, number: int) -> list[dict[str, Any]]:
    """The rows of the table, when it has so many."""
    for _ in range(_WAIT_ROUNDS):
        found = stored(settings)
        if len(found) >= number:
            return found
        time.sleep(0.01)
    raise AssertionError("the events were not moved")


def test_a_bad_event_does_not_block_the_queue(durable: OwnValkey, settings: Settings) -> None:
    """An event that PostgreSQL refuses goes to the stream of refused events, the others to the
    table."""
    good = rows(1, 2)
    bad = Row(str(uuid4()), b'{"id":"no uuid","metadata":{}}')

    async def fill() -> None:
        queue = Queue(Secret(durable.url))
        await queue.append(KEYS, [good[0], bad, good[1]])
        await queue.close()

    asyncio.run(fill())
    settings = replace(settings, redis_prefix=KEYS.prefix)
    with TestClient(app(replace(settings, events_redis_url=Secret(durable.url)))):
        assert sorted(row["user_id"] for row in until_stored(settings, 2)) == [1, 2]
    with redis.Redis.from_url(durable.url) as client:
        assert client.xlen(KEYS.waiting_events) == 0
        assert client.xrevrange(KEYS.refused_events, count=1)[0][1][b"id"].decode() == bad.id


DEEP = b'{"id":"%s","metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
NOT_EVENTS: list[dict[bytes | str, bytes | str]] = [
    {"other": "fields"},
    {"id": str(uuid4())},
    {"id": b"\xff\xfe", "content": "{}"},
    {"id": str(uuid4()), "content": b"\xff\xfe"},
    {"id": str(uuid4()), "content": "no JSON"},
    {"id": str(uuid4()), "content": DEEP},
]


@pytest.mark.parametrize("entry", NOT_EVENTS, ids=range(len(NOT_EVENTS)))
def test_an_entry_that_is_no_event_does_not_block_the_queue(
    durable: OwnValkey, settings: Settings, entry: dict[Any, Any]
) -> None:
    """Whatever stands in the stream before an event, it is kept among the refused ones, and the
    event reaches the table."""
    settings = replace(settings, redis_prefix=KEYS.prefix, events_redis_url=Secret(durable.url))
    with redis.Redis.from_url(durable.url) as client:
        client.xadd(KEYS.waiting_events, entry)
        asyncio.run(_fill(durable, KEYS, rows(1)))
        with TestClient(app(settings)):
            until_stored(settings, 1)
            until_empty(client, KEYS.waiting_events)
        ((_, kept),) = cast("list[Any]", client.xrange(KEYS.refused_events))
    as_bytes = {_bytes(name): _bytes(value) for name, value in entry.items()}
    assert kept == as_bytes


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


async def _fill(durable: OwnValkey, keys: RedisKeys, some: list[Row]) -> None:
    """Put events into the queue of a deployment."""
    queue = Queue(Secret(durable.url))
    await queue.append(keys, some)
    await queue.close()


def until_empty(client: redis.Redis, stream: str) -> None:
    """Wait until nothing waits in a stream."""
    for _ in range(_WAIT_ROUNDS):
        if client.xlen(stream) == 0:
            return
        time.sleep(0.01)
    raise AssertionError(f"{stream} is not empty")


def until_said(lines: list[Any], event: str) -> list[Any]:
    """The lines of the log about an event, when there are some."""
    for _ in range(_WAIT_ROUNDS):
        found = [line for line in lines if line["event"] == event]
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"the log does not have {event}")


def test_a_refused_event_that_cannot_be_kept_stays(durable: OwnValkey) -> None:
    """If the stream of refused events is something else, an event is not removed from its own."""

    async def scenario() -> None:
        queue = Queue(Secret(durable.url))
        await queue.append(KEYS, rows(1))
        (entry,) = await queue.oldest(KEYS.waiting_events, 1)
        with pytest.raises(NotStoredError, match="WRONGTYPE"):
            await queue.refuse(KEYS.waiting_events, entry, KEYS.refused_events)
        await queue.close()

    with redis.Redis.from_url(durable.url) as client:
        client.set(KEYS.refused_events, "rubbish")
        asyncio.run(scenario())
        assert client.xlen(KEYS.waiting_events) == 1


def test_an_event_that_a_trigger_refuses_does_not_block_the_others(
    durable: OwnValkey, settings: Settings
) -> None:
    """A trigger that raises refuses its event; the database is not taken for one that is away."""
    assert settings.database_url is not None
    with World(settings.database_url.reveal()) as world:
        world.execute(
            "create function refuse() returns trigger language plpgsql as"
            " $$ begin if new.user_id = 13 then raise 'unlucky'; end if; return new; end $$"
        )
        world.execute(
            "create trigger t before insert on analytics_events"
            " for each row execute function refuse()"
        )
    settings = replace(settings, redis_prefix=KEYS.prefix, events_redis_url=Secret(durable.url))
    asyncio.run(_fill(durable, KEYS, rows(1, 13, 2)))
    with TestClient(app(settings)) as client:
        assert sorted(row["user_id"] for row in until_stored(settings, 2)) == [1, 2]
        assert post(client, SENT | {"user_id": 13}).status_code == 400
        assert post(client, SENT | {"user_id": 3}).status_code == 202
    with redis.Redis.from_url(durable.url) as client:
        assert client.xlen(KEYS.refused_events) == 1


@pytest.mark.parametrize("moves", [False, True])
def test_events_without_a_deployment_are_moved_when_told_so(
    durable: OwnValkey, settings: Settings, moves: bool
) -> None:
    """What an earlier version left under a name without a deployment is said and stays, because it
    may be another one's; with EVENTS_MOVE_UNNAMED it is moved."""
    settings = replace(
        settings,
        redis_prefix=KEYS.prefix,
        events_redis_url=Secret(durable.url),
        events_move_unnamed=moves,
    )
    old, new = rows(1)[0], rows(2)[0]
    with redis.Redis.from_url(durable.url) as client:
        client.xadd(UNNAMED_WAITING, {"id": old.id, "content": old.content})
        asyncio.run(_fill(durable, KEYS, [new]))
        with structlog.testing.capture_logs() as lines, TestClient(app(settings)):
            until_stored(settings, 2 if moves else 1)
            until_empty(client, UNNAMED_WAITING if moves else KEYS.waiting_events)
            said = [] if moves else until_said(lines, "events.unnamed")
        assert client.xlen(UNNAMED_WAITING) == (0 if moves else 1)
    assert sorted(row["user_id"] for row in stored(settings)) == ([1, 2] if moves else [2])
    assert said == [line for line in lines if line["event"] == "events.unnamed"]
    assert [line["events"] for line in said] == ([] if moves else [1])


def test_before_the_first_generation_events_wait_under_the_name_of_their_database(
    durable: OwnValkey, settings: Settings
) -> None:
    """Without REDIS_PREFIX and a generation PostgreSQL tells whose the events are, with the name
    that the first generation will give; what waits there is moved."""
    settings = replace(settings, redis_prefix=None, events_redis_url=Secret(durable.url))
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url.reveal()) as connection:
        row = connection.execute(sqlfiles.text("source/snapshot").encode()).fetchone()
        assert row is not None
        source = SourceIdentity(system_identifier=row[5], timeline=row[6], database=row[7])
    keys = RedisKeys.of(None, source)
    asyncio.run(_fill(durable, keys, rows(1)))
    asyncio.run(_fill(durable, RedisKeys("another"), rows(2)))
    with redis.Redis.from_url(durable.url) as client:
        with TestClient(app(settings)):
            until_stored(settings, 1)
            until_empty(client, keys.waiting_events)
        assert client.xlen(RedisKeys("another").waiting_events) == 1
    assert [row["user_id"] for row in stored(settings)] == [1]


def test_events_of_nobody_are_not_accepted(durable: OwnValkey, settings: Settings) -> None:
    """While neither a setting, a generation nor PostgreSQL has told whose events they are, they get
    503: under a common name they could go to another deployment's PostgreSQL."""
    settings = replace(
        settings,
        redis_prefix=None,
        database_url=Secret("postgresql://127.0.0.1:1/none"),
        events_redis_url=Secret(durable.url),
    )
    with TestClient(app(settings)) as client:
        assert post(client, SENT).status_code == 503
    with redis.Redis.from_url(durable.url) as client:
        assert client.keys() == []


def _kinds(client: redis.Redis, key: str) -> dict[str, Callable[[], object]]:
    """Ways to put something else under a key."""
    return {
        "text": lambda: client.set(key, "rubbish"),
        "list": lambda: client.rpush(key, "rubbish"),
        "hash": lambda: client.hset(key, "rubbish", "rubbish"),
        "set": lambda: client.sadd(key, "rubbish"),
        "stream at its end": lambda: client.xadd(key, {"event": "x"}, f"{2**64 - 1}-{2**64 - 1}"),
        "other fields": lambda: client.xadd(key, {b"\xff": b"\xfe"}),
    }


@pytest.mark.parametrize(
    "kind", ["text", "list", "hash", "set", "stream at its end", "other fields"]
)
def test_the_feed_survives_what_it_finds(settings: Settings, valkey_url: str, kind: str) -> None:
    """Whatever stands under the feed's name, reading it is no error, and new events are shown."""
    stream = RedisKeys(settings.redis_prefix or "").recent_events
    with redis.Redis.from_url(valkey_url) as other, TestClient(app(settings)) as client:
        _kinds(other, stream)[kind]()
        found = recent(client)
        assert (found.status_code, found.json()["events"]) == (200, [])
        assert post(client, SENT).status_code == 202
        assert len(until_recent(client, 1)) == 1


def test_a_forged_event_is_not_shown(settings: Settings, valkey_url: str) -> None:
    """The feed shows what this deployment has sealed, and nothing else of its stream."""
    keys = RedisKeys(settings.redis_prefix or "")
    forged = b'{"event_type":"user.online","user_id":99}'
    with redis.Redis.from_url(valkey_url) as other, TestClient(app(settings)) as client:
        assert post(client, SENT).status_code == 202
        until_recent(client, 1)
        for event in (
            forged,
            bytes(32) + forged,
            Seal(b"the secret of another deployment", "recent events").close(
                keys.recent_events, forged
            ),
            Seal(SECRET.encode(), "recent events").close("other:recent-events", forged),
        ):
            other.xadd(keys.recent_events, {"event": event})
        assert len(recent(client).json()["events"]) == 1


def test_without_a_secret_there_is_no_feed(settings: Settings, valkey_url: str) -> None:
    """With public keys alone nothing that is in Redis could be believed: nothing is kept there."""
    deployment = Deployment(settings)

    async def scenario() -> list[bytes] | None:
        feed = feed_module.Feed(settings.redis_url, deployment, None)
        feed.add(rows(1))
        found = await feed.newest(10)
        await feed.close()
        return found

    assert asyncio.run(scenario()) is None
    with redis.Redis.from_url(valkey_url) as client:
        assert client.exists(RedisKeys(settings.redis_prefix or "").recent_events) == 0


def test_a_server_that_talks_nonsense_does_not_end_the_feed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another server answers in place of Redis the feed is not available, and later shows new
    events."""
    monkeypatch.setattr("api.events.feed._TIMEOUT_SECONDS", 0.5)
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        server = OwnValkey(Path(directory))
        settings = replace(settings, redis_url=Secret(server.url))
        try:
            with TestClient(app(settings)) as client:
                with talking_nonsense(server.directory / "s", b"*1\r\n*2\r\n:1\r\n:2\r\n"):
                    assert post(client, SENT).status_code == 202
                    for _ in range(3):
                        found = recent(client)
                        assert (found.status_code, found.json()["available"]) == (200, False)
                server.start()
                for _ in range(_WAIT_ROUNDS):
                    assert post(client, SENT).status_code == 202
                    if recent(client).json()["events"]:
                        return
                    time.sleep(0.1)
                raise AssertionError("the feed does not go on")
        finally:
            server.end()


def test_moved_events_keep_their_time(durable: OwnValkey, settings: Settings) -> None:
    """An event that waited in the queue is stored with the time at which it was accepted."""
    accepted_after = datetime.now(UTC)
    assert settings.database_url is not None
    dead = replace(
        settings,
        database_url=Secret("postgresql://127.0.0.1:1/none"),
        events_redis_url=Secret(durable.url),
    )
    with TestClient(app(dead)) as client:
        assert post(client, SENT).status_code == 202
    accepted_before = datetime.now(UTC)
    alive = replace(settings, events_redis_url=Secret(durable.url))
    with TestClient(app(alive)):
        until_stored(settings, 1)
    created_at = datetime.fromisoformat(stored(settings)[0]["created_at"])
    assert accepted_after <= created_at <= accepted_before


def test_the_schema_is_the_struct() -> None:
    """The documented event has exactly the fields of the struct."""
    properties = event_schema(IdTypes()).properties
    assert properties is not None
    assert tuple(sorted(properties)) == tuple(sorted(Event.__struct_fields__))
    (event,) = read_events(b'{"event_type":"user.online"}', IdTypes())
    assert asdict(event) == asdict(Event(event_type=EventType.USER_ONLINE))
    with pytest.raises(UnusableError):
        rows_of([Event(event_type=EventType.USER_ONLINE, metadata={"a": "b" * 9000})], NOW)
    assert rows_of([event], NOW, lambda: UUID(int=1))[0].id == str(UUID(int=1))
