"""The requirement's JSON: each example is a contract of names, order, nesting and JSON types.

The values of the examples are ignored, because they contradict each other. `tests/metrics` proves
the numbers; the scenarios below show that they arrive here unchanged.
"""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

import pytest

from tests.api import small_messenger as messenger
from tests.api.fix_api import Api

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")

# Copied from the requirement, value by value.
DASHBOARD = """{
  "period_days": 7,
  "generated_at": "2024-01-15T10:00:00Z",
  "message_stats": {
    "total_messages": 1245, "text_messages": 1100, "image_messages": 85, "file_messages": 50,
    "system_messages": 10, "unique_senders": 42, "avg_message_length": 87.3,
    "message_type_distribution": {"text": 88.35, "image": 6.83, "file": 4.02, "system": 0.80}
  },
  "engagement_metrics": {
    "total_users": 150, "active_users": 65, "engaged_users": 28,
    "engagement_rate": 43.33, "deep_engagement_rate": 18.67
  },
  "active_users_24h": {
    "period_hours": 24, "active_users": 32, "timestamp": "2024-01-15T10:00:00Z"
  },
  "top_senders": [{"user_id": 123, "username": "alice", "message_count": 245}],
  "message_timeline": [{"timestamp": "2024-01-09T00:00:00Z", "count": 145}]
}"""
MESSAGES = """{
  "total_messages": 1245, "text_messages": 1100, "image_messages": 85, "file_messages": 50,
  "system_messages": 10, "unique_senders": 42, "avg_message_length": 87.3,
  "message_type_distribution": {"text": 88.35, "image": 6.83, "file": 4.02, "system": 0.80}
}"""
TIMELINE = '{"timeline": [{"timestamp": "2024-01-15T00:00:00Z", "count": 45}]}'
TOP_SENDERS = '{"top_senders": [{"user_id": 123, "username": "alice", "message_count": 245}]}'
USER = """{
  "user_id": 123, "period_days": 30, "messages_sent": 245, "messages_read": 892,
  "active_conversations": 12, "avg_messages_per_day": 8.17,
  "first_message_date": "2023-11-15T08:30:00Z", "last_activity_date": "2024-01-15T14:22:00Z"
}"""
ENGAGEMENT = """{
  "period_days": 7, "total_users": 150, "active_users": 65, "engaged_users": 28,
  "engagement_rate": 43.33, "deep_engagement_rate": 18.67
}"""
ACTIVE_USERS = '{"period_hours": 24, "active_users": 32, "timestamp": "2024-01-15T10:00:00Z"}'
CONVERSATION = """{
  "conversation_id": "f47ac10b-58cc-4372-a567-0e02b2c3d479", "type": "group",
  "title": "Engineering Team", "created_at": "2024-01-01T00:00:00Z", "participant_count": 15,
  "active_participants": 12, "message_count": 1245, "messages_per_day": 83.0,
  "conversation_age_days": 15, "first_message_date": "2024-01-01T08:15:00Z",
  "last_message_date": "2024-01-15T14:22:00Z"
}"""
TOP_CONVERSATIONS = """{
  "conversations": [{
    "conversation_id": "f47ac10b-58cc-4372-a567-0e02b2c3d479", "type": "group",
    "title": "Engineering Team", "message_count": 1245, "participant_count": 15,
    "messages_per_day": 41.5
  }]
}"""
CONTRACTS = {
    "/dashboard": DASHBOARD,
    "/messages": MESSAGES,
    "/timeline": TIMELINE,
    "/top-senders": TOP_SENDERS,
    f"/user/{messenger.ALICE}": USER,
    "/engagement": ENGAGEMENT,
    "/active-users": ACTIVE_USERS,
    f"/conversation/{messenger.TEAM}": CONVERSATION,
    "/top-conversations": TOP_CONVERSATIONS,
}


def differences(example: Any, answer: Any, place: str = "$") -> list[str]:
    """The places where an answer does not have the form of the example."""
    if isinstance(example, dict):
        if not isinstance(answer, dict) or list(answer)[: len(example)] != list(example):
            return [f"{place}: {answer} does not begin with {list(example)}"]
        return [
            found
            for name, part in example.items()
            for found in differences(part, answer[name], f"{place}.{name}")
        ]
    if isinstance(example, list):
        if not isinstance(answer, list) or not answer:
            return [f"{place}: {answer} is not a list with elements"]
        return [
            found
            for i, one in enumerate(answer)
            for found in differences(example[0], one, f"{place}[{i}]")
        ]
    if type(answer) is not type(example):
        return [f"{place}: {answer!r} is not of the type of {example!r}"]
    if isinstance(example, str) and INSTANT.fullmatch(example) and not INSTANT.fullmatch(answer):
        return [f"{place}: {answer!r} is not an instant with Z"]
    return []


@pytest.mark.parametrize("path", CONTRACTS)
def test_an_answer_has_the_form_of_the_example(small_api: Api, path: str) -> None:
    """Each field of the example is present, in its place and order, and of its JSON type."""
    found = small_api.admin().get(path)
    assert found.status_code == 200
    assert differences(json.loads(CONTRACTS[path]), found.json()) == []
    assert {"generation", "data_through"} <= set(found.json())


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ('"title": "Engineering Team"', '"title": 7'),
        ('"messages_per_day": 83.0', '"messages_per_day": 83'),
        ('"message_count": 1245, ', ""),
        ('"created_at": "2024-01-01T00:00:00Z"', '"created_at": "2024-01-01T00:00:00+00:00"'),
        ('"participant_count": 15', '"participants": 15'),
    ],
)
def test_the_comparison_detects_differences(changed: str, place: str) -> None:
    """A wrong type, an integer for a decimal number, a missing or renamed field, and another time
    format are each detected."""
    assert differences(json.loads(CONVERSATION), json.loads(CONVERSATION)) == []
    broken = CONVERSATION.replace(changed, place)
    assert broken != CONVERSATION
    assert differences(json.loads(CONVERSATION), json.loads(broken)) != []


def test_the_requirements_scenario_message_statistics(small_api: Api) -> None:
    """Eleven messages of three people are nine of text and two images."""
    found = small_api.admin().get("/messages", conversation_id=messenger.TEAM, days=7).json()
    assert (found["total_messages"], found["unique_senders"]) == (11, 3)
    assert (found["text_messages"], found["image_messages"]) == (9, 2)
    assert found["message_type_distribution"]["text"] == 81.82
    of_alice = small_api.admin().get("/messages", user_id_filter=messenger.ALICE, days=7).json()
    assert (of_alice["total_messages"], of_alice["unique_senders"]) == (5, 1)


@pytest.mark.parametrize("interval", ["hourly", "daily", "weekly", "monthly"])
def test_the_requirements_scenario_timeline(small_api: Api, interval: str) -> None:
    """Every interval counts the same eleven messages, in order and without a gap."""
    found = (
        small_api.admin().get("/timeline", interval=interval, conversation_id=messenger.TEAM).json()
    )
    times = [bucket["timestamp"] for bucket in found["timeline"]]
    assert sum(bucket["count"] for bucket in found["timeline"]) == 11
    assert times == sorted(times) and len(set(times)) == len(times)


def test_the_requirements_scenario_top_senders(small_api: Api) -> None:
    """The most active sender is first, in one conversation or all, up to the limit."""
    in_team = (
        small_api.admin().get("/top-senders", conversation_id=messenger.TEAM).json()["top_senders"]
    )
    assert [(one["username"], one["message_count"]) for one in in_team] == [
        ("alice", 5),
        ("bob", 4),
        ("charlie", 2),
    ]
    first = small_api.admin().get("/top-senders", limit=1).json()["top_senders"]
    assert [one["username"] for one in first] == ["dora"]


def test_the_requirements_scenario_people(small_api: Api) -> None:
    """The activity of one person, the active users, and the engagement of all."""
    alice = small_api.admin().get(f"/user/{messenger.ALICE}", days=30).json()
    assert (alice["messages_sent"], alice["messages_read"]) == (5, 6)
    assert (alice["active_conversations"], alice["avg_messages_per_day"]) == (1, 0.17)
    engaged = small_api.admin().get("/engagement").json()
    assert (engaged["total_users"], engaged["active_users"]) == (6, 5)
    assert engaged["engaged_users"] == 3
    assert small_api.admin().get("/active-users", hours=168).json()["active_users"] == 5


def test_the_requirements_scenario_conversations(small_api: Api) -> None:
    """The statistics of one conversation, and the ranking of all."""
    one = small_api.admin().get(f"/conversation/{messenger.TEAM}").json()
    assert (one["participant_count"], one["active_participants"]) == (3, 3)
    assert (one["message_count"], one["title"]) == (11, "Engineering Team")
    ranked = small_api.admin().get("/top-conversations", sort_by="participants").json()
    assert [UUID(item["conversation_id"]) for item in ranked["conversations"]] == [
        messenger.TEAM,
        messenger.GARDEN,
    ]


def test_the_requirements_scenario_events(small_api: Api) -> None:
    """Events are counted by type, and by type and bucket."""
    counts = small_api.admin().get("/events/counts").json()["event_counts"]
    assert {one["event_type"]: one["count"] for one in counts} == {
        "file.uploaded": 6,
        "message.sent": 1,
        "user.online": 1,
    }
    buckets = small_api.admin().get("/events/timeline", interval="hourly").json()["event_timeline"]
    assert sum(one["count"] for one in buckets) == 8


def test_no_time_in_an_answer_is_the_time_of_the_request(small_api: Api) -> None:
    """The times of a dashboard are the generation's: its publication and the end of its data."""
    found = small_api.admin().get("/dashboard").json()
    ready = small_api.client.get("/health/ready").json()
    assert found["active_users_24h"]["timestamp"] == ready["data_through"] == found["until"]
    assert found["data_through"] == ready["data_through"]
    assert found["generated_at"].startswith(f"{messenger.NOW:%Y-%m-%dT%H:%M:%S}")


@pytest.mark.parametrize("path", [*CONTRACTS, "/events/counts", "/events/timeline"])
def test_ids_are_texts_on_demand(small_api: Api, path: str) -> None:
    """With `ids=text` each id is a text, and everything else is the same, byte by byte."""
    caller = small_api.admin()
    own, texts = caller.get(path), caller.get(path, ids="text")
    assert texts.text == re.sub(r'("user_id":)(-?[0-9]+)', r'\1"\2"', own.text)
    assert caller.get(path, ids="text", format="csv").text == caller.get(path, format="csv").text
