"""Nobody sees a byte of what is not his, whatever was asked before, with and without Redis.

Two members of different circles ask the same things in turn, so that every cache (the URL's
question, memory, Redis) was last filled by the other one. Each answer is compared with that of an
application in which nobody else ever asked anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from httpx import Response
from litestar.testing import TestClient

from api.app import create_app
from api.identity import Role
from api.questions import Asked
from olap.settings import Secret
from tests.api.fix_api import NOWHERE, Api, Caller, api_settings
from tests.api.team import ALICE, DORA, EMIL, GARDEN, LONER, MARKS, NOBODY, TEAM
from tests.api.team import NOWHERE as NO_ROOM
from tests.fix_pipeline import Pipeline

# Every endpoint, bare, narrowed to one's own and to the other's, as JSON and as CSV.
QUESTIONS = [
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
    "/events/counts",
    "/events/timeline",
    "/dashboard?generation=1",
]


def shown(answer: Response) -> tuple[int, bytes, str | None]:
    """All that an asker learns: status, bytes, and the digest of both."""
    return answer.status_code, answer.content, answer.headers.get("etag")


def leaks(caller: Caller, expected: dict[str, Any], marks: tuple[bytes, ...]) -> list[str]:
    """The questions whose answer is not what it should be, or has another's mark in it."""
    found = []
    for question in expected:
        answer = caller.get(question)
        if shown(answer) != expected[question] or any(mark in answer.content for mark in marks):
            found.append(question)
    return found


def suite(api: Api, expected: dict[int, dict[str, Any]]) -> dict[int, list[str]]:
    """Both ask everything, twice, in turn, after an administrator did; what leaked to whom."""
    for question in QUESTIONS:
        api.admin().get(question)
    found: dict[int, list[str]] = {ALICE: [], DORA: []}
    for asker in (ALICE, DORA, ALICE, DORA):
        other = DORA if asker == ALICE else ALICE
        found[asker] += leaks(api.member(asker), expected[asker], MARKS[other])
    return found


@pytest.fixture(scope="module")
def expected(team_site: Pipeline) -> dict[int, dict[str, Any]]:
    """What each of the two is answered where nobody else ever asks."""
    found = {}
    for user in (ALICE, DORA):
        settings = api_settings(team_site)
        with TestClient(create_app(settings)) as client:
            caller = Api(client, settings).member(user)
            found[user] = {question: shown(caller.get(question)) for question in QUESTIONS}
    return found


@pytest.mark.parametrize("with_redis", [True, False])
def test_no_byte_of_one_is_in_the_others_answer(
    new_api: Callable[..., Api],
    team_site: Pipeline,
    valkey_url: str,
    expected: dict[int, dict[str, Any]],
    with_redis: bool,
) -> None:
    """Every endpoint, every cache filled by the other: nothing of one comes to the other, and each
    is answered as if he were alone; also by a second worker that has everything from Redis."""
    url = Secret(valkey_url) if with_redis else NOWHERE
    for _ in range(2 if with_redis else 1):
        assert suite(new_api(team_site, redis_url=url), expected) == {ALICE: [], DORA: []}
    # It would notice: the two do get answers, and different ones.
    statuses = {question: expected[ALICE][question][0] for question in QUESTIONS}
    assert sum(status == 200 for status in statuses.values()) > 15
    assert expected[ALICE]["/dashboard"] != expected[DORA]["/dashboard"]


@pytest.mark.parametrize("with_redis", [True, False])
def test_a_key_without_the_scope_would_be_noticed(
    new_api: Callable[..., Api],
    team_site: Pipeline,
    valkey_url: str,
    expected: dict[int, dict[str, Any]],
    with_redis: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The suite fails for a cache whose key does not say for whom the answer is."""
    whole = Asked.__post_init__

    def without_scope(self: Asked) -> None:
        whole(self)
        parts = [p for p in self.key.split(":") if p != "site" and not p.startswith("viewer=")]
        object.__setattr__(self, "key", "broken:" + ":".join(parts))

    monkeypatch.setattr(Asked, "__post_init__", without_scope)
    url = Secret(valkey_url) if with_redis else NOWHERE
    found = suite(new_api(team_site, redis_url=url), expected)
    assert "/dashboard" in found[ALICE] and "/dashboard" in found[DORA]


def test_what_may_not_be_seen_looks_like_what_is_not_there(team_api: Api) -> None:
    """Another's conversation and person get the bytes of those that do not exist."""
    alice, admin = team_api.member(ALICE), team_api.admin()
    for hidden, missing in [
        (f"/conversation/{GARDEN}", f"/conversation/{NO_ROOM}"),
        (f"/user/{DORA}", f"/user/{NOBODY}"),
        (f"/user/{LONER}", f"/user/{NOBODY}"),
        (f"/messages?user_id_filter={DORA}", f"/messages?user_id_filter={NOBODY}"),
        (f"/timeline?conversation_id={GARDEN}", f"/timeline?conversation_id={NO_ROOM}"),
        (f"/top-senders?conversation_id={GARDEN}", f"/top-senders?conversation_id={NO_ROOM}"),
    ]:
        refused, absent = alice.get(hidden), alice.get(missing)
        assert refused.status_code == absent.status_code == 404
        assert refused.content == absent.content == admin.get(missing).content
        assert told(refused) == told(absent)
        assert admin.get(hidden).status_code == 200


def told(answer: Response) -> dict[str, str]:
    """The headers, without what differs between any two requests."""
    passing = {"x-cache", "x-request-id", "ratelimit-remaining", "ratelimit-reset"}
    return {name: value for name, value in answer.headers.items() if name not in passing}


def test_oneself_always_exists(team_api: Api) -> None:
    """A member without a conversation, and one the messenger has not told us of yet, get zeros."""
    for user in (LONER, NOBODY):
        found = team_api.member(user).get(f"/user/{user}")
        assert found.status_code == 200
        assert (found.json()["user_id"], found.json()["messages_sent"]) == (user, 0)
    assert team_api.admin().get(f"/user/{NOBODY}").status_code == 404


def test_a_service_reads_nothing(team_api: Api) -> None:
    """The role `service` gets 403 from every read."""
    service = Caller(team_api.client, team_api.token(Role.SERVICE, "bot"))
    assert {service.get(question).status_code for question in QUESTIONS} == {403}


def test_an_answer_under_anothers_key_is_none(
    new_api: Callable[..., Api], team_site: Pipeline, valkey_url: str
) -> None:
    """Whatever put Dora's answer under Alice's key in Redis, Alice is answered her own."""
    url = Secret(valkey_url)
    filled = new_api(team_site, redis_url=url)
    right = {user: filled.member(user).get("/dashboard?days=23") for user in (ALICE, DORA)}
    with redis.Redis.from_url(valkey_url) as client:
        keys = {
            user: one
            for user in (ALICE, DORA)
            for one in client.keys(f"analytics:*:viewer={user}:23d~*")
            if not one.endswith(b":lead")
        }
        stored = {user: client.get(key) for user, key in keys.items()}
        assert set(stored) == {ALICE, DORA} and None not in stored.values()
        client.set(keys[ALICE], stored[DORA])
    answer = new_api(team_site, redis_url=url).member(ALICE).get("/dashboard?days=23")
    assert answer.headers["x-cache"] == "miss"
    assert answer.content == right[ALICE].content != right[DORA].content
