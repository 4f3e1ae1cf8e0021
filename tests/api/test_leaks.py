"""No member sees a byte of what is not visible to them, whatever was asked before, with and without
Redis, answered from the generation's file and by an engine.

Two members of different groups send the same requests in turn, so that every cache (the fast path,
memory, Redis) was last filled by the other. Each answer is compared with that of an application
that only this member has used, and that answers from the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from httpx import Response
from litestar.testing import TestClient

from api.app import create_app
from api.auth import Principal, Role
from api.kept.store import Store
from api.kept.things import Kind, NewThing
from api.live import delivery
from api.query import Query
from olap.secret import Secret
from tests.api.file_engine import FileEngine
from tests.api.fix_api import NO_REDIS, Api, Caller, api_settings, wait_for_key
from tests.api.fix_engine import ALWAYS
from tests.api.small_messenger import (
    ALICE,
    DORA,
    EMIL,
    GARDEN,
    LONER,
    MARKS,
    NOW,
    TEAM,
    UNKNOWN_CONVERSATION,
    UNKNOWN_USER,
)
from tests.fix_pipeline import Pipeline
from tests.world import uuid

# What people keep: a thing of each member, of administrators with the same subjects, and a shared
# one; each name is a mark.
KEPT = {
    uuid(1): (ALICE, Role.MEMBER, "alice and bob", False),
    uuid(2): (DORA, Role.MEMBER, "dora and emil", False),
    uuid(3): (ALICE, Role.ADMIN, "alice, Secret Garden", False),
    uuid(4): (DORA, Role.ADMIN, "dora, Engineering", False),
    uuid(5): ("boss", Role.ADMIN, "for everybody", True),
}
# Every endpoint, without filters, with one's own ids and with the other's, as JSON and as CSV.
REQUESTS = [
    "/stream",
    "/dashboard",
    "/dashboard?days=30",
    "/messages",
    f"/messages?conversation_id={TEAM}",
    f"/messages?conversation_id={GARDEN}",
    f"/messages?user_id_filter={ALICE}",
    f"/messages?user_id_filter={DORA}",
    "/timeline?interval=hourly&days=7",
    f"/timeline?conversation_id={GARDEN}",
    f"/timeline?user_id_filter={EMIL}",
    "/timeline?format=csv",
    "/top-senders",
    f"/top-senders?conversation_id={GARDEN}",
    f"/top-senders?conversation_id={TEAM}&format=csv",
    f"/user/{ALICE}",
    f"/user/{DORA}",
    "/engagement",
    "/active-users",
    f"/conversation/{TEAM}",
    f"/conversation/{GARDEN}",
    "/top-conversations",
    "/top-conversations?format=csv",
    "/active-timeline",
    "/active-timeline?interval=weekly&format=csv",
    "/lifecycle?interval=daily",
    "/retention?interval=daily",
    "/activation",
    "/people-heatmap",
    f"/people-heatmap?conversation_id={GARDEN}",
    "/message-heatmap",
    f"/message-heatmap?conversation_id={GARDEN}",
    "/conversation-mix",
    "/concentration",
    f"/concentration?conversation_id={GARDEN}",
    "/membership",
    "/timeline?type=direct",
    "/reply-times",
    f"/reply-times?conversation_id={GARDEN}",
    "/reply-times?format=csv",
    "/reply-times/timeline",
    f"/reply-times/timeline?conversation_id={TEAM}",
    "/reply-times/conversations",
    "/read-rate",
    f"/read-rate?conversation_id={GARDEN}",
    f"/conversation/{TEAM}/response-matrix",
    f"/conversation/{GARDEN}/response-matrix",
    "/events/counts",
    "/events/timeline",
    "/dashboard?generation=1",
    "/generation",
    "/catalog?format=csv",
    f"/batch?ask=/dashboard&ask=/conversation/{TEAM}&ask=/conversation/{GARDEN}&ask=/generation",
    f"/batch?ask=/user/{ALICE}&ask=/user/{DORA}&ask=/timeline%3Fuser_id_filter%3D{EMIL}",
    "/batch?generation=1&ask=/top-senders&ask=/messages%3Fdays%3D30",
    "/dashboard?days=1&compare=previous",
    "/top-senders?days=1&compare=previous&format=csv",
    f"/user/{DORA}?days=1&compare=previous",
    "/messages?days=1&compare=year&tz=Europe/Berlin&whole_days=true",
    "/kept",
    "/kept/templates",
    *(f"/kept/{id_}" for id_ in KEPT),
]


@pytest.fixture(scope="module", autouse=True)
def ended_streams() -> Iterator[None]:
    """End every stream when it has told what there is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery, "OPEN_SECONDS", 0.0)
        yield


def shown(answer: Response) -> tuple[int, bytes, str | None]:
    """Everything that a client learns: status, bytes, and their digest."""
    return answer.status_code, answer.content, answer.headers.get("etag")


def leaks(caller: Caller, expected: dict[str, Any], marks: tuple[bytes, ...]) -> list[str]:
    """The requests whose answer is wrong, or contains a mark of the other group."""
    found = []
    for request in expected:
        answer = caller.get(request)
        if shown(answer) != expected[request] or any(mark in answer.content for mark in marks):
            found.append(request)
    return found


def leaks_of_both(api: Api, expected: dict[int, dict[str, Any]]) -> dict[int, list[str]]:
    """The leaks to each of two members who send all requests twice, in turn, after an
    administrator."""
    for request in REQUESTS:
        api.admin().get(request)
    found: dict[int, list[str]] = {ALICE: [], DORA: []}
    for user in (ALICE, DORA, ALICE, DORA):
        other = DORA if user == ALICE else ALICE
        found[user] += leaks(api.member(user), expected[user], MARKS[other])
    return found


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A STATE_DIR with things of everybody."""
    directory = tmp_path_factory.mktemp("state")
    store = Store(directory)
    for id_, (subject, role, name, is_shared) in KEPT.items():
        thing = NewThing(kind=Kind.VIEW, name=name, is_shared=is_shared)
        store.create(Principal(str(subject), role), id_, thing, NOW)
    return directory


@pytest.fixture(scope="module", params=["file", "engine"])
def answered_by(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings with which periods are answered from the generation's file, or by the engine."""
    # With prefixes of their own, because the answers of both have the same keys in Redis.
    prefix = {"redis_prefix": request.param}
    return ALWAYS | prefix if request.param == "engine" else prefix


@pytest.fixture(scope="module")
def expected(
    small_site: Pipeline, state: Path, answered_by: dict[str, Any]
) -> dict[int, dict[str, Any]]:
    """The answers to each member from an application that nobody else uses, and no engine."""
    # An `ETag` is a digest of the whole key, prefix included.
    prefix = answered_by["redis_prefix"]
    found = {}
    for user in (ALICE, DORA):
        settings = api_settings(small_site, state_dir=state, redis_prefix=prefix)
        with TestClient(create_app(settings)) as client:
            caller = Api(client, settings).member(user)
            found[user] = {request: shown(caller.get(request)) for request in REQUESTS}
    return found


@pytest.fixture
def any_api(
    small_site: Pipeline,
    new_api: Callable[..., Api],
    answered_by: dict[str, Any],
    file_engine: FileEngine,
) -> Api:
    """The application on the small messenger, without Redis."""
    return new_api(small_site, **answered_by)


@pytest.mark.parametrize("with_redis", [True, False])
def test_no_answer_contains_a_byte_of_the_other_group(
    new_api: Callable[..., Api],
    small_site: Pipeline,
    valkey_url: str,
    state: Path,
    expected: dict[int, dict[str, Any]],
    with_redis: bool,
    answered_by: dict[str, Any],
    file_engine: FileEngine,
) -> None:
    """On every endpoint, with every cache filled by the other member, each gets the answers that
    they get alone, also from a second worker that has everything from Redis."""
    url = Secret(valkey_url) if with_redis else NO_REDIS
    for _ in range(2 if with_redis else 1):
        api = new_api(small_site, redis_url=url, state_dir=state, **answered_by)
        assert leaks_of_both(api, expected) == {ALICE: [], DORA: []}
    assert (len(set(file_engine.asked)) > 20) is ("engine_url" in answered_by)
    # The comparison is not empty: both members get answers, and different ones.
    statuses = {request: expected[ALICE][request][0] for request in REQUESTS}
    assert sum(status == 200 for status in statuses.values()) > 15
    assert expected[ALICE]["/dashboard"] != expected[DORA]["/dashboard"]
    # Each sees their own thing and the shared one.
    for user, own in ((ALICE, b"alice and bob"), (DORA, b"dora and emil")):
        content = expected[user]["/kept"][1]
        assert own in content and b"for everybody" in content and content.count(b'"id"') == 2


@pytest.mark.parametrize("with_redis", [True, False])
def test_the_comparison_detects_a_key_without_the_scope(
    new_api: Callable[..., Api],
    small_site: Pipeline,
    valkey_url: str,
    state: Path,
    expected: dict[int, dict[str, Any]],
    with_redis: bool,
    answered_by: dict[str, Any],
    file_engine: FileEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cache key without the viewer makes the comparison fail."""
    whole = Query.__post_init__

    def without_scope(self: Query) -> None:
        whole(self)
        parts = [p for p in self.key.split(":") if p != "site" and not p.startswith("viewer=")]
        object.__setattr__(self, "key", "broken:" + ":".join(parts))

    monkeypatch.setattr(Query, "__post_init__", without_scope)
    url = Secret(valkey_url) if with_redis else NO_REDIS
    api = new_api(small_site, redis_url=url, state_dir=state, **answered_by)
    found = leaks_of_both(api, expected)
    assert "/dashboard" in found[ALICE] and "/dashboard" in found[DORA]


def test_what_is_not_visible_looks_like_what_does_not_exist(any_api: Api) -> None:
    """Another group's conversation and person return the bytes of ids that do not exist."""
    alice, admin = any_api.member(ALICE), any_api.admin()
    for hidden, missing in [
        (f"/conversation/{GARDEN}", f"/conversation/{UNKNOWN_CONVERSATION}"),
        (f"/user/{DORA}", f"/user/{UNKNOWN_USER}"),
        (f"/user/{LONER}", f"/user/{UNKNOWN_USER}"),
        (f"/messages?user_id_filter={DORA}", f"/messages?user_id_filter={UNKNOWN_USER}"),
        (
            f"/timeline?conversation_id={GARDEN}",
            f"/timeline?conversation_id={UNKNOWN_CONVERSATION}",
        ),
        *(
            (f"{path}?conversation_id={GARDEN}", f"{path}?conversation_id={UNKNOWN_CONVERSATION}")
            for path in ("/reply-times", "/reply-times/timeline", "/read-rate")
        ),
        (
            f"/conversation/{GARDEN}/response-matrix",
            f"/conversation/{UNKNOWN_CONVERSATION}/response-matrix",
        ),
        (
            f"/top-senders?conversation_id={GARDEN}",
            f"/top-senders?conversation_id={UNKNOWN_CONVERSATION}",
        ),
    ]:
        refused, absent = alice.get(hidden), alice.get(missing)
        assert refused.status_code == absent.status_code == 404
        assert refused.content == absent.content == admin.get(missing).content
        assert comparable(refused) == comparable(absent)
        assert admin.get(hidden).status_code == 200


def comparable(answer: Response) -> dict[str, str]:
    """The headers without those that differ between any two requests."""
    passing = {"x-cache", "x-request-id", "ratelimit-remaining", "ratelimit-reset"}
    return {name: value for name, value in answer.headers.items() if name not in passing}


def test_a_member_exists_for_themselves(any_api: Api) -> None:
    """A member without a conversation, and one whose row has not been extracted yet, get zeros."""
    for user in (LONER, UNKNOWN_USER):
        found = any_api.member(user).get(f"/user/{user}")
        assert found.status_code == 200
        assert (found.json()["user_id"], found.json()["messages_sent"]) == (user, 0)
    assert any_api.admin().get(f"/user/{UNKNOWN_USER}").status_code == 404


def test_a_service_reads_nothing(small_api: Api) -> None:
    """The role `service` gets 403 from every endpoint that reads."""
    service = Caller(small_api.client, small_api.token(Role.SERVICE, "bot"))
    assert {service.get(request).status_code for request in REQUESTS} == {403}


def test_an_answer_under_another_key_is_ignored(
    new_api: Callable[..., Api], small_site: Pipeline, valkey_url: str
) -> None:
    """If Redis has Dora's answer under Alice's key, Alice gets her own."""
    url = Secret(valkey_url)
    filled = new_api(small_site, redis_url=url)
    right = {user: filled.member(user).get("/dashboard?days=23") for user in (ALICE, DORA)}
    with redis.Redis.from_url(valkey_url) as client:
        keys = {
            user: wait_for_key(client, f"*:answers:*:dashboard:*:viewer={user}:23d~*")
            for user in (ALICE, DORA)
        }
        dora = client.get(keys[DORA])
        assert dora is not None
        client.set(keys[ALICE], dora)
        client.delete(keys[ALICE] + b":lead")  # no other process is computing it
    answer = new_api(small_site, redis_url=url).member(ALICE).get("/dashboard?days=23")
    assert answer.headers["x-cache"] == "miss"
    assert answer.content == right[ALICE].content != right[DORA].content
