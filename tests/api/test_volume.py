"""The endpoints about how much is written: types of conversations, system messages, own reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.api import small_messenger as messenger
from tests.api.fix_api import Api
from tests.fix_pipeline import Pipeline
from tests.world import World


def total(buckets: list[dict[str, Any]]) -> int:
    """The sum of a timeline."""
    return sum(bucket["count"] for bucket in buckets)


def test_a_type_keeps_to_its_conversations(small_api: Api) -> None:
    """Timeline, statistics, senders and conversations of a type are those of its conversations."""
    admin = small_api.admin()
    for kind, messages, people, rooms in (
        ("group", 11, {messenger.ALICE, messenger.BOB, messenger.CHARLIE}, [str(messenger.TEAM)]),
        ("direct", 30, {messenger.DORA, messenger.EMIL}, [str(messenger.GARDEN)]),
        ("channel", 0, set(), []),
    ):
        timeline = admin.get("/timeline", type=kind).json()["timeline"]
        assert total(timeline) == messages
        assert admin.get("/messages", type=kind).json()["total_messages"] == messages
        senders = admin.get("/top-senders", type=kind).json()["top_senders"]
        assert {one["user_id"] for one in senders} == people
        conversations = admin.get("/top-conversations", type=kind).json()["conversations"]
        assert [one["conversation_id"] for one in conversations] == rooms


def test_a_type_opens_nothing_to_a_member(small_api: Api) -> None:
    """A member asks for the type of a conversation of others, and gets nothing of it."""
    member = small_api.member(messenger.ALICE)
    assert total(member.get("/timeline", type="direct").json()["timeline"]) == 0
    assert member.get("/top-senders", type="direct").json()["top_senders"] == []
    assert member.get("/top-conversations", type="direct").json()["conversations"] == []


def test_a_persons_numbers_agree(pipeline: Pipeline, new_api: Callable[..., Api]) -> None:
    """The timeline of a person sums to messages_sent and the dashboard's to total_messages; a read
    of one's own message is no message read."""
    with World(pipeline.url) as world:
        messenger.fill(world)
        for number, sender in ((501, messenger.ALICE), (502, messenger.BOB)):
            world.message(
                number,
                conversation_id=messenger.TEAM,
                sender_id=sender,
                message_type="system",
                created_at=messenger.ago(hours=2, minutes=number),
            )
        world.receipt(1, messenger.ALICE, read_at=messenger.ago(minutes=5))
    pipeline.cycle()
    admin = new_api(pipeline).admin()

    def timeline(**query: Any) -> int:
        return total(admin.get("/timeline", **query).json()["timeline"])

    alice = admin.get(f"/user/{messenger.ALICE}").json()
    assert (alice["messages_sent"], alice["messages_read"]) == (5, 6)
    assert timeline(user_id_filter=messenger.ALICE) == 5
    assert timeline(user_id_filter=messenger.ALICE, include_system=True) == 6
    dashboard = admin.get("/dashboard").json()
    assert total(dashboard["message_timeline"]) == 43
    assert dashboard["message_stats"]["total_messages"] == 43 == timeline()
    assert timeline(include_system=False) == 41
