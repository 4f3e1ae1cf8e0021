"""Any messenger: ids of each type and with any character, and tables that it does not have."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import duckdb
import httpx
import jwt
import psycopg
import pytest
from litestar.testing import TestClient

from api.app import PREFIX, create_app
from api.auth import Role, make_token
from api.endpoints.messages import MessagesParameters, messages
from api.paths import decoded, path_of
from api.query import Query
from api.schemas import Format
from etl.sandbox.postgres import create_database, drop_database
from olap import sqlfiles
from olap.errors import SettingsError
from olap.ids import Id
from olap.secret import Hidden, Secret
from olap.settings import Settings
from tests.api import small_messenger
from tests.api.fix_api import Api, api_settings
from tests.api.other_messengers import (
    COMPOSED,
    DECOMPOSED,
    MARKED,
    NUMBERS,
    SPARSE,
    TEXTS,
    Messenger,
)
from tests.api.servers import server
from tests.fix_pipeline import Clock, Pipeline
from tests.tokens import SECRET


@dataclass(slots=True)
class Site:
    """A messenger, its published data, and the API on it."""

    messenger: Messenger
    pipeline: Pipeline
    api: Api

    @property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        found: dict[str, Any] = self.api.client.get("/docs/openapi.json").json()
        return found


def encoded(identity: Id) -> str:
    """An id as a segment of a path, or a value of a query."""
    return quote(str(identity), safe="")


def in_json(identity: Id) -> Any:
    """An id as JSON has it."""
    return str(identity) if isinstance(identity, UUID) else identity


@contextmanager
def published(
    messenger: Messenger, name: str, directory: Path, postgres_url: str, template: str
) -> Iterator[Site]:
    database = f"test_{os.getpid()}_{name}"
    settings = Settings(
        data_dir=directory / "data", source_mapping=messenger.write_mapping(directory)
    )
    try:
        url = create_database(postgres_url, database, template=template)
        messenger.create(url)
        pipeline = Pipeline(url, settings, Clock(small_messenger.NOW))
        pipeline.cycle()
        settings = replace(api_settings(pipeline), database_url=Secret(url))
        with TestClient(create_app(settings)) as client:
            yield Site(messenger, pipeline, Api(client, settings))
    finally:
        drop_database(postgres_url, database)


@pytest.fixture(scope="module")
def sites(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Messenger], Site]]:
    """The site of a messenger, published once; no test changes its tables, except for events."""
    made: dict[int, Site] = {}
    with ExitStack() as stack:

        def get(messenger: Messenger) -> Site:
            key = id(messenger)
            if key not in made:
                directory = tmp_path_factory.mktemp("site")
                made[key] = stack.enter_context(
                    published(
                        messenger, f"site{len(made)}", directory, postgres_url, template_database
                    )
                )
            return made[key]

        yield get


both = pytest.mark.parametrize("messenger", [TEXTS, NUMBERS], ids=["texts", "numbers"])


@both
def test_every_person_is_found_by_path_and_by_filter(
    sites: Callable[[Messenger], Site], messenger: Messenger
) -> None:
    """Each id, whatever its characters, is its own person in a path and in a query, and the answer
    has the id unchanged."""
    admin = sites(messenger).api.admin()
    for person in messenger.people:
        found = admin.get(f"/user/{encoded(person)}").json()
        expected = messenger.messages_of(person)
        assert (found["user_id"], found["messages_sent"]) == (in_json(person), expected)
        filtered = admin.get("/messages", user_id_filter=str(person)).json()
        assert filtered["total_messages"] == expected, person


@both
def test_every_conversation_is_found_by_path_and_by_filter(
    sites: Callable[[Messenger], Site], messenger: Messenger
) -> None:
    """The same for conversations."""
    admin = sites(messenger).api.admin()
    for room in messenger.rooms:
        found = admin.get(f"/conversation/{encoded(room)}").json()
        expected = messenger.messages_in(room)
        assert (found["conversation_id"], found["message_count"]) == (in_json(room), expected)
        filtered = admin.get("/messages", conversation_id=str(room)).json()
        assert filtered["total_messages"] == expected, room


@both
def test_lists_have_the_ids_unchanged(
    sites: Callable[[Messenger], Site], messenger: Messenger
) -> None:
    """Rankings name each person and each conversation by its id: integers are JSON's numbers,
    uuids and strings its strings."""
    admin = sites(messenger).api.admin()
    senders = admin.get("/top-senders", limit=100).json()["top_senders"]
    assert {one["user_id"] for one in senders} == {in_json(one) for one in messenger.people}
    rooms = admin.get("/top-conversations", limit=50).json()["conversations"]
    assert {one["conversation_id"] for one in rooms} == {in_json(one) for one in messenger.rooms}


@both
def test_csv_has_the_ids_of_json(sites: Callable[[Messenger], Site], messenger: Messenger) -> None:
    """CSV has the same ids; a text that a spreadsheet would take for a formula has an apostrophe
    before it, and a negative number has none."""
    admin = sites(messenger).api.admin()
    rows = admin.get("/top-conversations", limit=50).json()["conversations"]
    text = admin.get("/top-conversations", limit=50, format_="csv").text
    shown = [row["conversation_id"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    expected = [str(row["conversation_id"]) for row in rows]
    assert shown == [f"'{one}" if one.startswith("=") else one for one in expected]


@both
def test_a_member_of_any_id_sees_their_own_conversation(
    sites: Callable[[Messenger], Site], messenger: Messenger
) -> None:
    """A token of each person shows what that person's conversation has, and hides the others."""
    site = sites(messenger)
    for person in messenger.people:
        member = site.api.member(person)
        room = messenger.room_of(person)
        assert member.get("/messages").json()["total_messages"] == messenger.messages_in(room)
        for other in messenger.rooms:
            status = member.get(f"/conversation/{encoded(other)}").status_code
            assert status == (200 if other == room else 404), (person, other)


def test_a_person_whom_the_messenger_does_not_have_yet_sees_zeros(
    sites: Callable[[Messenger], Site],
) -> None:
    """A member without a row exists for themselves under their own id."""
    stranger = "@new/comer%:example.org"
    found = sites(TEXTS).api.member(stranger).get(f"/user/{encoded(stranger)}")
    assert (found.json()["user_id"], found.json()["messages_sent"]) == (stranger, 0)


@pytest.mark.parametrize(
    ("messenger", "spellings"),
    [
        (TEXTS, ("/user/a%2Fb", "/user/a%2fb", "/user/%61%2F%62")),
        (TEXTS, ("/user/@ann:example.org", "/user/%40ann%3Aexample.org")),
        (TEXTS, ("/messages?user_id_filter=a/b", "/messages?user_id_filter=a%2fb")),
        (NUMBERS, (f"/user/{NUMBERS.people[0]}", f"/user/{str(NUMBERS.people[0]).upper()}")),
        (NUMBERS, ("/conversation/-7", "/conversation/%2D7")),
    ],
)
def test_spellings_of_one_id_are_one_answer(
    sites: Callable[[Messenger], Site], messenger: Messenger, spellings: tuple[str, ...]
) -> None:
    """Whatever a client encodes, and a uuid in capitals, is one id with one cache key."""
    admin = sites(messenger).api.admin()
    answers = [admin.get(spelling, tz="Europe/Rome") for spelling in spellings]
    assert answers[0].status_code == 200
    assert {answer.headers["x-cache"] for answer in answers[1:]} == {"hit"}
    assert len({answer.headers["etag"] for answer in answers}) == 1


def test_no_id_looks_like_another_part_of_a_key() -> None:
    """The cache key is another one for each viewer and each filter, whatever is in their ids."""
    texts = (*TEXTS.people, "c:user_id_filter=u", "c", "u", "c:bots=1:conversation_id=u")
    parameters = [
        MessagesParameters(conversation_id=conversation, user_id_filter=user).resolved(
            TEXTS.ids, Format.JSON
        )
        for conversation in (None, *texts)
        for user in (None, *texts)
    ]
    keys = {
        Query(endpoint=messages, viewer=viewer, parameters=given).key
        for viewer in (None, *texts)
        for given in parameters
    }
    assert len(keys) == (len(texts) + 1) ** 3


def test_normal_forms_are_different_ids(sites: Callable[[Messenger], Site]) -> None:
    """Ids are compared byte by byte: two normal forms of one letter are two people with two cache
    keys, and a form that nobody has is nobody."""
    admin = sites(TEXTS).api.admin()
    answers = [admin.get(f"/user/{encoded(one)}") for one in (COMPOSED, DECOMPOSED)]
    assert len({answer.headers["etag"] for answer in answers}) == 2
    composed, decomposed = (answer.json()["messages_sent"] for answer in answers)
    assert decomposed == composed + 1
    assert admin.get("/user/Site").status_code == 404


@pytest.mark.parametrize(
    ("messenger", "path", "named"),
    [
        (TEXTS, "/user/a%00b", "user_id"),
        (TEXTS, "/user/a%0Ab", "user_id"),
        (TEXTS, f"/user/{'x' * 256}", "user_id"),
        (TEXTS, "/messages?conversation_id=", "conversation_id"),
        (NUMBERS, "/user/7", "user_id"),
        (NUMBERS, "/conversation/07", "conversation_id"),
        (NUMBERS, "/conversation/9223372036854775808", "conversation_id"),
        (NUMBERS, "/conversation/%2B7", "conversation_id"),
    ],
)
def test_what_spells_no_id_of_the_type_is_400(
    sites: Callable[[Messenger], Site], messenger: Messenger, path: str, named: str
) -> None:
    """A text that is no id of its type is refused, and the problem names the parameter and not the
    text."""
    refused = sites(messenger).api.admin().get(path)
    assert (refused.status_code, refused.json()["parameter"]) == (400, named)
    assert "x" * 10 not in refused.text


def test_tokens_are_for_ids_of_the_mapping(tmp_path: Path) -> None:
    """`python -m api token` makes tokens for ids of the mapping's type, in their canonical form."""
    mapping = NUMBERS.write_mapping(tmp_path)
    settings = Settings(jwt_secret=Hidden(SECRET), source_mapping=mapping)
    lifetime, now = timedelta(hours=1), datetime.now(UTC)

    def subject(given: str, role: Role) -> str:
        token = make_token(settings, subject=given, role=role, lifetime=lifetime, now=now)
        return str(jwt.decode(token, options={"verify_signature": False})["sub"])

    (person, *_) = NUMBERS.people
    assert subject(str(person).upper(), Role.MEMBER) == str(person)
    assert subject("alice", Role.ADMIN) == "alice"
    with pytest.raises(SettingsError, match="must be a uuid"):
        subject("7", Role.MEMBER)


@both
def test_the_document_has_the_types_of_ids(
    sites: Callable[[Messenger], Site], messenger: Messenger
) -> None:
    """The OpenAPI document describes ids in paths, queries, answers and bodies by the mapping."""
    document = sites(messenger).document
    text: dict[str, Any] = {"type": "string"}
    number: dict[str, Any] = {
        "type": "integer",
        "format": "int64",
        "minimum": -(2**63),
        "maximum": 2**63 - 1,
    }
    on_demand = {"anyOf": [number, text | {"description": "with `ids=text`"}]}
    lengths = {"minLength": 1, "maxLength": 255}
    uuid = {"format": "uuid"}
    user_text, room_text, user, room, user_sent, room_sent = {
        TEXTS.ids: (lengths, lengths, text, text, text, text),
        NUMBERS.ids: (uuid, text, text | uuid, on_demand, text | uuid, number),
    }[messenger.ids]
    paths = document["paths"]

    def parameter(path: str, name: str) -> dict[str, Any]:
        (found,) = (p for p in paths[PREFIX + path]["get"]["parameters"] if p["name"] == name)
        schema: dict[str, Any] = found["schema"]
        assert schema["type"] == "string"
        return {key: schema[key] for key in schema.keys() - {"type", "description"}}

    def spells(pattern: str) -> set[int]:
        edges = (0, -1, 9, -(2**63), 2**63 - 1, 10**18, 2**63, -(2**63) - 1, 10**19)
        assert not any(re.search(pattern, text) for text in ("", "-0", "007", "+7", "7.0", "7\n8"))
        return {one for one in edges if re.search(pattern, str(one))}

    if messenger is NUMBERS:
        room_text = parameter("/messages", "conversation_id")
        (pattern,) = room_text.values()
        assert spells(pattern) == {0, -1, 9, -(2**63), 2**63 - 1, 10**18}
    assert parameter("/user/{user_id}", "user_id") == user_text
    assert parameter("/messages", "user_id_filter") == user_text
    assert parameter("/messages", "conversation_id") == room_text
    assert parameter("/conversation/{conversation_id}", "conversation_id") == room_text
    schemas = document["components"]["schemas"]
    assert schemas["Sender"]["properties"]["user_id"] == user
    assert schemas["UserActivity"]["properties"]["user_id"] == user
    assert schemas["Conversation"]["properties"]["conversation_id"] == room
    body = paths[f"{PREFIX}/events"]["post"]["requestBody"]["content"]["application/json"]
    reference = {"$ref": "#/components/schemas/Event"}
    assert body["schema"]["oneOf"][0] == body["schema"]["oneOf"][1]["items"] == reference
    event = schemas["Event"]["properties"]
    required = ["event_type", "id"] if messenger is NUMBERS else ["event_type"]
    assert schemas["Event"]["required"] == required
    assert event["user_id"]["oneOf"][0].items() >= user_sent.items()
    assert event["conversation_id"]["oneOf"][0].items() >= room_sent.items()


@both
def test_ids_are_texts_on_demand(sites: Callable[[Messenger], Site], messenger: Messenger) -> None:
    """`ids=text` gives whole numbers as texts, digit by digit, and changes nothing where ids are
    uuids or texts; a path still takes the id as it is."""
    admin = sites(messenger).api.admin()
    for room in messenger.rooms:
        for path in (f"/conversation/{encoded(room)}", "/top-conversations"):
            own, texts = admin.get(path), admin.get(path, ids="text")
            assert own.status_code == texts.status_code == 200
            quoted = re.sub(r'("conversation_id":)(-?[0-9]+)', r'\1"\2"', own.text)
            assert texts.text == quoted
            assert (texts.text != own.text) is (messenger is NUMBERS)
            assert admin.get(path, ids="number").headers["x-cache"] == "hit"
            assert admin.get(path, ids="number").text == own.text


def post(site: Site, events: object, **query: str) -> httpx.Response:
    """Post events."""
    headers = {"Authorization": f"Bearer {site.api.token(Role.SERVICE, 'bot')}"}
    return site.api.client.post(f"{PREFIX}/events", json=events, headers=headers, params=query)


@pytest.mark.parametrize(
    ("messenger", "event"),
    [
        (TEXTS, {"id": "$1/é:host", "user_id": "@ann:example.org", "conversation_id": "a/b"}),
        (NUMBERS, {"id": 41, "user_id": str(NUMBERS.people[0]), "conversation_id": -7}),
    ],
    ids=["texts", "numbers"],
)
def test_an_event_has_ids_of_the_mapping(
    sites: Callable[[Messenger], Site], messenger: Messenger, event: dict[str, Any]
) -> None:
    """An event with ids of the mapping's types is stored once, however often it is sent, and its id
    is answered in its own type."""
    site = sites(messenger)
    event |= {"event_type": "message.sent"}
    for _ in range(2):
        answer = post(site, [event])
        assert (answer.status_code, answer.json()["ids"]) == (202, [event["id"]])
    assert post(site, [event], ids="text").json()["ids"] == [str(event["id"])]
    with psycopg.connect(site.pipeline.url) as connection:
        rows = connection.execute(
            "select user_id::text, conversation_id from analytics_events where id = %s",
            [event["id"]],
        ).fetchall()
    assert rows == [(event["user_id"], event["conversation_id"])]


def test_a_text_is_generated_as_the_id_of_an_event(sites: Callable[[Messenger], Site]) -> None:
    """Where ids are texts, an event without one gets a uuid."""
    (identity,) = post(sites(TEXTS), {"event_type": "user.online"}).json()["ids"]
    assert str(UUID(identity)) == identity


@pytest.mark.parametrize(
    ("messenger", "events", "named"),
    [
        (NUMBERS, {}, "id"),
        (NUMBERS, [{"id": 1}, {}], "[1].id"),
        (NUMBERS, {"id": 1, "user_id": 7}, "user_id"),
        (NUMBERS, {"id": "1"}, "id"),
        (NUMBERS, {"id": 2**63}, "id"),
        (TEXTS, {"user_id": 7}, "user_id"),
        (TEXTS, {"user_id": ""}, "user_id"),
        (TEXTS, [{}, {"conversation_id": "a\0b"}], "[1].conversation_id"),
        (TEXTS, {"id": "x" * 256}, "id"),
    ],
)
def test_an_event_with_other_ids_is_refused(
    sites: Callable[[Messenger], Site], messenger: Messenger, events: Any, named: str
) -> None:
    """A missing number, an id of another type, and a text that no request could ask for are 400 and
    named: no number is generated, because the messenger alone knows which are free."""
    several = events if isinstance(events, list) else [events]
    for event in several:
        event["event_type"] = "user.online"
    refused = post(sites(messenger), events)
    assert (refused.status_code, refused.json()["parameter"]) == (400, named)


def test_any_id_arrives_through_a_server(
    sites: Callable[[Messenger], Site], tmp_path: Path
) -> None:
    """A real server passes ids with any character on, and each request is one readable line of its
    log."""
    site = sites(TEXTS)
    variables = {
        "SOURCE_MAPPING": site.pipeline.settings.source_mapping,
        "PYTHONIOENCODING": "ascii:backslashreplace",
    }
    headers = {"Authorization": f"Bearer {site.api.token(Role.ADMIN, 'boss')}"}
    log = tmp_path / "log"
    with server(site.pipeline.layout.root, log, **variables) as running:
        for person in TEXTS.people:
            url = f"{running.url}{PREFIX}/user/{encoded(person)}"
            assert httpx.get(url, headers=headers).json()["user_id"] == person
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    paths = [line["path"] for line in lines if line["event"] == "request" and "role" in line]
    shown = [decoded(path.removeprefix(f"{PREFIX}/user/")) for path in paths if "/user/" in path]
    assert shown == list(TEXTS.people)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/user/7", "/user/7"),
        (b"/user/a%2Fb", "/user/a%2Fb"),
        (b"/user/a%2fb/c", "/user/a%2Fb/c"),
        (b"/user/a%252Fb", "/user/a%252Fb"),
        (b"/user/%C3%A9", "/user/\u00e9"),
        (b"/user/%FF", "/user/\ufffd"),
        (b"/user/a+b", "/user/a+b"),
        (b"/user/%", "/user/%25"),
    ],
)
def test_a_path_is_split_before_it_is_decoded(raw: bytes, path: str) -> None:
    """Slashes and percent signs of a segment remain encoded, in one spelling."""
    assert path_of(raw) == path


def visibility(*rows: tuple[str, str]) -> str:
    """The digest of what a viewer sees whose conversations have these participants."""
    with duckdb.connect() as connection:
        connection.execute("create schema core")
        connection.execute(
            "create table core.dim_conversations (conversation_key int, conversation_id text)"
        )
        connection.execute(
            "create table core.dim_users (user_key int, user_id text, deleted_at timestamp)"
        )
        connection.execute(
            "create table core.dim_participants"
            " (conversation_key int, user_key int, joined_at timestamp, left_at timestamp)"
        )
        connection.execute("create macro core.data_through() as timestamp '2026-01-01'")
        connection.execute("create macro core.is_present(joined, gone, instant) as true")
        connection.execute(
            "create macro core.conversations_of(viewer) as table"
            " select conversation_key from core.dim_conversations where viewer is not null"
        )
        for number, (room, person) in enumerate(rows):
            connection.execute("insert into core.dim_conversations values ($1, $2)", [number, room])
            connection.execute("insert into core.dim_users values ($1, $2, null)", [number, person])
            connection.execute(
                "insert into core.dim_participants values ($1, $1, null, null)", [number]
            )
        ((digest,),) = sqlfiles.run(connection, "serving/visibility", viewer="a")
        return str(digest)


def test_what_a_viewer_sees_is_told_apart_for_any_id() -> None:
    """Separators within ids do not make two views look the same."""
    views = [
        (("r", "a"), ("r", "b")),
        (("r", "a false,r b"),),
        (("r a false,r", "b"),),
        (("r a", "b"), ("r", "")),
        (("r", "a b"), ("r", "")),
    ]
    assert len({visibility(*view) for view in views}) == len(views)


def test_a_generation_with_other_ids_is_not_served(
    sites: Callable[[Messenger], Site], new_api: Callable[..., Api]
) -> None:
    """An API with another mapping than the pipeline's serves nothing, and says what to set."""
    api = new_api(sites(TEXTS).pipeline, source_mapping="messenger")
    ready = api.client.get("/health/ready")
    assert (ready.status_code, ready.json()["generation"]) == (503, None)
    assert ready.json()["refused"] == (
        "generation 1: its ids are user string, conversation string, message uuid, event string "
        "(mapping texts), and those of the API are user integer, conversation uuid, message "
        "uuid, event uuid: set SOURCE_MAPPING as the pipeline has it"
    )
    refused = api.admin().get("/dashboard")
    assert (refused.status_code, refused.json()["detail"]) == (503, "No generation can be used.")


def test_without_receipts_what_they_would_tell_is_null(sites: Callable[[Messenger], Site]) -> None:
    """Numbers of reading are null and never 0, also for a member without a row."""
    site = sites(SPARSE)
    for caller, user in ((site.api.admin(), 2), (site.api.member(99), 99)):
        found = caller.get(f"/user/{user}").json()
        assert (found["messages_read"], found["last_activity_date"]) == (None, None)
    active = site.api.admin().get("/active-users", hours=100).json()
    assert [active[name] for name in ("active_users", "active_readers", "active_any")] == [
        2,
        None,
        None,
    ]
    assert site.api.admin().get("/dashboard").json()["active_users_24h"]["active_users"] == 2
    fields = site.document["components"]["schemas"]["ActiveUsers"]["properties"]
    for name in ("active_readers", "active_any"):
        assert {"type": "null"} in fields[name]["oneOf"]
        assert "no read receipts" in fields[name]["description"]


def test_without_events_their_numbers_are_a_problem(sites: Callable[[Messenger], Site]) -> None:
    """404 says that this messenger has no events, and by which mapping; never an empty list."""
    site = sites(SPARSE)
    for caller in (site.api.admin(), site.api.member(1)):
        for path in ("/events/counts", "/events/timeline", "/events/counts?format=csv"):
            refused = caller.get(path)
            assert refused.status_code == 404
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["detail"] == (
                "Events are not available: the source has none by its mapping, sparse."
            )


def test_without_a_sink_no_event_is_taken_and_no_connection_made(
    sites: Callable[[Messenger], Site], new_api: Callable[..., Api]
) -> None:
    """404 gives the reason, the database is not asked, and the API is healthy and documents no
    such request."""
    site = sites(SPARSE)
    with socket.create_server(("127.0.0.1", 0)) as database:
        database.settimeout(0.0)
        url = f"postgresql://127.0.0.1:{database.getsockname()[1]}/none"
        api = new_api(site.pipeline, events_database_url=Secret(url))
        bearer = {"Authorization": f"Bearer {api.token(Role.ADMIN, 'boss')}"}
        path = f"{PREFIX}/events"
        for refused in (
            api.client.post(path, json={"event_type": "user.online"}, headers=bearer),
            api.client.get(f"{path}/recent", headers=bearer),
        ):
            assert refused.status_code == 404
            assert refused.json()["detail"] == (
                "This messenger takes no events: the mapping sparse has no sink/events.sql."
            )
        assert api.client.post(path, json={}).status_code == 401
        assert api.member(1).get("/events/recent").status_code == 403
        assert api.client.get("/health/ready").status_code == 200
        documented = api.client.get("/docs/openapi.json").json()["paths"]
        assert path not in documented and f"{path}/recent" not in documented
        with pytest.raises(BlockingIOError):
            database.accept()


def instant(**offset: float) -> str:
    """What `timedelta` takes before the end of the data, as JSON has it."""
    return f"{small_messenger.ago(**offset):%Y-%m-%dT%H:%M:%SZ}"


def test_unread_messages_are_those_after_the_mark(sites: Callable[[Messenger], Site]) -> None:
    """`/user/{user_id}/unread` counts what others wrote after the person's mark; without a mark,
    everything."""
    api = sites(MARKED).api
    (room,) = api.member(1).get("/user/1/unread").json()["unread"]
    assert room == {
        "conversation_id": str(MARKED.rooms[0]),
        "type": "group",
        "title": f"={MARKED.rooms[0]}",
        "unread_count": 1,
        "first_unread_at": instant(hours=4),
        "newest_message_at": instant(hours=1),
        "read_through_at": instant(hours=4, minutes=30),
        "marked_at": None,
    }
    assert api.admin().get("/user/1/unread").json()["unread"] == [room]
    assert (
        api.admin().get("/user/1/unread", format_="csv").text.splitlines()[1].split(",")[3] == "1"
    )
    (unmarked,) = api.admin().get("/user/4/unread").json()["unread"]
    assert (unmarked["unread_count"], unmarked["read_through_at"]) == (2, None)


def test_read_through_is_the_share_of_members_who_have_read_the_newest(
    sites: Callable[[Messenger], Site],
) -> None:
    """`/read-through` counts the members whose mark has reached the newest message, and its
    sender."""
    admin = sites(MARKED).api.admin()
    found = admin.get("/read-through").json()["conversations"]
    shown = [
        (c["conversation_id"], c["member_count"], c["read_count"], c["read_share"]) for c in found
    ]
    first, second = map(str, MARKED.rooms)
    assert shown == [(first, 2, 1, 50.0), (second, 2, 1, 50.0)]
    assert found[0]["newest_message_at"] == instant(hours=1)
    only = admin.get("/read-through", conversation_id=second).json()["conversations"]
    assert [one["conversation_id"] for one in only] == [second]


def test_marks_of_others_are_not_visible(sites: Callable[[Messenger], Site]) -> None:
    """A member sees their own conversations; what is not visible looks like what does not exist."""
    api = sites(MARKED).api
    first, second = MARKED.rooms
    member = api.member(2)
    shown = member.get("/read-through").json()["conversations"]
    assert [one["conversation_id"] for one in shown] == [str(second)]
    missing = api.admin().get("/user/99/unread")
    for path in ("/user/1/unread", f"/read-through?conversation_id={first}"):
        refused = member.get(path)
        assert (refused.status_code, refused.content) == (404, missing.content)
    assert api.member(99).get("/user/99/unread").json()["unread"] == []


def test_without_marks_what_they_would_tell_is_a_problem(
    sites: Callable[[Messenger], Site],
) -> None:
    """404 says that this messenger has no marks, also for a person who does not exist."""
    caller = sites(SPARSE).api.admin()
    for path in ("/user/1/unread", "/user/99/unread", "/read-through"):
        refused = caller.get(path)
        assert (refused.status_code, refused.json()["detail"]) == (
            404,
            "Read marks are not available: the source has none by its mapping, sparse.",
        )
