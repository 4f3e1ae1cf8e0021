"""Replies and reads over HTTP, in a messenger with a conversation of five people."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from litestar.testing import TestClient

from api.app import create_app
from etl.sandbox.postgres import create_database, drop_database
from olap.settings import Settings
from tests.api.fix_api import Api, api_settings
from tests.api.small_messenger import NOW, ago
from tests.fix_pipeline import Clock, Pipeline
from tests.world import World, uuid

CROWD, PAIR = uuid(1), uuid(2)
ANN, BOB, CAT, DAN, EVA, BOT = range(1, 7)


@pytest.fixture(scope="module")
def api(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """Ann asks five people and a bot, Bob replies; elsewhere Ann and Bob talk alone."""
    name = f"test_{os.getpid()}_replies"
    try:
        url = create_database(postgres_url, name, template=template_database)
        with World(url) as world:
            for person in (ANN, BOB, CAT, DAN, EVA, BOT):
                world.user(person, username=f"person {person}", is_bot=person == BOT)
            for room, members in ((1, range(1, 7)), (2, (ANN, BOB))):
                kind = "group" if room == 1 else "direct"
                world.conversation(room, type=kind, title="=five", created_at=ago(days=80))
                for person in members:
                    world.participant(room, person, joined_at=ago(days=80))
            said = [(1, 0, ANN), (1, 5, BOT), (1, 30, BOB), (1, 90, CAT), (2, 0, BOB), (2, 8, ANN)]
            for number, (room, after, sender) in enumerate(said, 1):
                world.message(
                    number,
                    conversation_id=uuid(room),
                    sender_id=sender,
                    created_at=ago(days=3, seconds=-after),
                )
            world.receipt(1, DAN, read_at=ago(days=3, seconds=-40))
        data = tmp_path_factory.mktemp("replies") / "data"
        pipeline = Pipeline(url, Settings(data_dir=data), Clock(NOW))
        pipeline.cycle()
        settings = api_settings(pipeline)
        with TestClient(create_app(settings)) as client:
            yield Api(client, settings)
    finally:
        drop_database(postgres_url, name)


def test_reply_times_are_of_all_and_of_each_type(api: Api) -> None:
    """The first row is of all conversations; a member of one conversation sees that alone."""
    all_of_it = {
        "conversation_type": None,
        "replies": 3,
        "half_seconds": 30,
        "nine_tenths_seconds": 60,
        "judged_messages": 5,
        "answered_in_1_hour_rate": 60.0,
        "answered_in_24_hours_rate": 60.0,
        "relative_error": 0.0,
    }
    found = api.admin().get("/reply-times").json()
    assert found["reply_times"][0] == all_of_it
    assert [row["conversation_type"] for row in found["reply_times"]] == [None, "direct", "group"]
    assert list(found)[1:] == ["generation", "data_through", "since", "until", "is_cut"]
    shown = api.member(CAT).get("/reply-times").json()["reply_times"]
    assert [(row["conversation_type"], row["replies"]) for row in shown] == [
        (None, 2),
        ("group", 2),
    ]
    only = api.admin().get("/reply-times", conversation_id=str(PAIR)).json()["reply_times"]
    assert [row["replies"] for row in only] == [1, 1]
    assert api.member(CAT).get("/reply-times", conversation_id=str(PAIR)).status_code == 404


def test_bots_change_no_answer_about_replies(api: Api) -> None:
    """`include_bots` has no effect: a bot neither replies nor stops the clock."""
    for path in (
        *("/reply-times", "/reply-times/timeline", "/reply-times/conversations", "/read-rate"),
        f"/conversation/{CROWD}/response-matrix",
    ):
        answers = [api.admin().get(path, include_bots=bots) for bots in ("true", "false")]
        assert answers[0].status_code == 200
        assert answers[0].json() == answers[1].json()


def test_a_timeline_of_replies_has_no_gap(api: Api) -> None:
    """Each day is there, also without a reply, and the days of the last 24 hours have no rates."""
    days = api.admin().get("/reply-times/timeline", days=10, tz="Asia/Kathmandu").json()["timeline"]
    assert len(days) == 11
    assert sum(day["replies"] for day in days) == 3
    assert {day["answered_in_1_hour_rate"] for day in days[-1:]} == {None}
    assert days[2]["half_seconds"] is None and days[2]["answered_in_1_hour_rate"] == 0.0
    weeks = api.admin().get("/reply-times/timeline", days=10, interval="weekly").json()["timeline"]
    assert sum(week["judged_messages"] for week in weeks) == 5


def test_only_conversations_of_five_are_ranked(api: Api) -> None:
    """The pair is left out, for an administrator and for its members; a title is no formula."""
    for caller in (api.admin(), api.member(ANN)):
        (found,) = caller.get("/reply-times/conversations").json()["conversations"]
        assert (found["conversation_id"], found["type"]) == (str(CROWD), "group")
        assert (found["replies"], found["half_seconds"], found["judged_messages"]) == (2, 30, 3)
    lines = api.admin().get("/reply-times/conversations", format="csv").text.splitlines()
    assert lines[0].startswith("conversation_id,type,title,replies,half_seconds")
    assert lines[1].startswith(f"{CROWD},group,'=five,2,30,60,3,")


def test_the_read_rate_is_of_others(api: Api) -> None:
    """One of five messages was read by somebody else, after 40 seconds."""
    first, direct, group = api.admin().get("/read-rate").json()["read_rates"]
    assert first == {
        "conversation_type": None,
        "judged_messages": 5,
        "read_messages": 1,
        "read_rate": 20.0,
        "median_seconds": 40,
    }
    assert (direct["read_messages"], direct["median_seconds"]) == (0, None)
    assert (group["judged_messages"], group["read_rate"]) == (3, 33.33)


def test_who_replies_to_whom_is_for_members_of_five(api: Api) -> None:
    """The pairs of a conversation of five, for its members; none of a pair; 404 for others."""
    path = f"/conversation/{CROWD}/response-matrix"
    expected = [
        {
            "from_user_id": BOB,
            "from_username": "person 2",
            "to_user_id": ANN,
            "to_username": "person 1",
            "replies": 1,
            "half_seconds": 30,
        },
        {
            "from_user_id": CAT,
            "from_username": "person 3",
            "to_user_id": BOB,
            "to_username": "person 2",
            "replies": 1,
            "half_seconds": 60,
        },
    ]
    for caller in (api.admin(), api.member(EVA)):
        found = caller.get(path).json()
        assert (found["conversation_id"], found["responses"]) == (str(CROWD), expected)
    assert api.admin().get(path, limit=1).json()["responses"] == expected[:1]
    as_text = api.admin().get(path, ids="text").json()["responses"][0]
    assert (as_text["from_user_id"], as_text["to_user_id"]) == ("2", "1")
    alone = f"/conversation/{PAIR}/response-matrix"
    assert api.member(ANN).get(alone).json()["responses"] == []
    assert api.member(EVA).get(alone).status_code == 404
