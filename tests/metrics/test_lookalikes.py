"""Numbers that look alike and differ: each declared pair does, and the catalogue says why."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from olap.__main__ import catalog_text
from olap.lookalikes import LOOKALIKES, Lookalike
from olap.warehouse import Warehouse
from tests.metrics.filled import Filled, filled_with
from tests.metrics.oracle.world import Conversation, Message, Participant, Receipt, User, World
from tests.metrics.random_worlds import ROOMS

LONG_AGO, SINCE = datetime(2026, 1, 1), datetime(2026, 2, 1)
ANN, BOB, CAT, DAN = 1, 2, 3, 4
ROOM = ROOMS[0]
# Ann writes, also in the name of the system, and has read her own message and Bob's; Bob is gone;
# Cat and Dan are silent.
WORLD = World(
    data_through=datetime(2026, 3, 2),
    users=[
        User(ANN, "ann", False, LONG_AGO, None),
        User(BOB, "bob", False, LONG_AGO, datetime(2026, 2, 20)),
        User(CAT, "cat", False, LONG_AGO, None),
        User(DAN, "dan", False, LONG_AGO, None),
    ],
    conversations=[Conversation(ROOM, "group", "room", LONG_AGO)],
    participants=[
        Participant(ROOM, ANN, LONG_AGO, None),
        Participant(ROOM, BOB, LONG_AGO, datetime(2026, 2, 20)),
        Participant(ROOM, CAT, LONG_AGO, None),
        Participant(ROOM, DAN, LONG_AGO, None),
    ],
    messages=[
        Message(1, datetime(2026, 1, 9), ROOM, ANN, "text", 5, None),
        Message(2, datetime(2026, 2, 10), ROOM, ANN, "text", 5, None),
        Message(3, datetime(2026, 2, 11), ROOM, BOB, "text", 5, None),
        Message(4, datetime(2026, 2, 12), ROOM, ANN, "system", 5, None),
    ],
    receipts=[
        Receipt(2, ANN, datetime(2026, 2, 10, 1)),
        Receipt(3, ANN, datetime(2026, 2, 11, 1)),
    ],
)
# Both numbers of each pair in this world; of a metric with several rows, the sum.
VALUES: dict[tuple[str, str], tuple[Any, Any]] = {
    ("message_stats.unique_senders", "engagement.active_users"): (2, 1),
    ("active_users.active_users", "engagement.active_users"): (2, 1),
    ("message_stats.total_messages", "top_senders.message_count"): (3, 2),
    ("message_stats.total_messages", "conversation_stats.message_count"): (3, 4),
    ("user_activity.messages_read", "conversation_mix.reads"): (1, 2),
    ("conversation_stats.participant_count", "top_conversations.participant_count"): (3, 2),
    ("conversation_stats.messages_per_day", "top_conversations.messages_per_day"): (
        Decimal("0.07"),
        Decimal("0.10"),
    ),
}


def value(filled: Filled, name: str) -> Any:
    """The sum of `metric.column` in the world, in February or of its one room."""
    metric, _, column = name.partition(".")
    arguments: dict[str, Any] = {"since": SINCE}
    if metric == "conversation_stats":
        arguments = {"for_conversation": ROOM}
    elif metric == "user_activity":
        arguments["for_user"] = ANN
    named = ", ".join(f"{one} := ${one}" for one in arguments)
    statement = f"select sum({column}) from metrics.{metric}({named})"
    return filled.connection.execute(statement, arguments).fetchall()[0][0]


@pytest.mark.parametrize("pair", LOOKALIKES, ids=lambda pair: " and ".join(pair.names))
def test_a_pair_differs(empty_warehouse: Warehouse, pair: Lookalike) -> None:
    """In a world where the reason applies, the two numbers of each pair differ as expected."""
    with filled_with(empty_warehouse, WORLD) as filled:
        found = tuple(value(filled, name) for name in pair.names)
    assert found == VALUES[pair.names]
    assert found[0] != found[1]


def test_a_pair_is_declared_once_and_explained() -> None:
    """No pair is declared twice; its reason names its columns and is a sentence in the catalogue at
    both metrics."""
    assert len({frozenset(pair.names) for pair in LOOKALIKES}) == len(LOOKALIKES)
    chapters = {
        text.split("_v")[0]: text for text in catalog_text().split("\n## ") if "Fingerprint" in text
    }
    for pair in LOOKALIKES:
        assert pair.column in pair.reason and pair.other_column in pair.reason
        assert pair.reason.endswith(".")
        for metric in (pair.metric, pair.other_metric):
            assert pair.reason in chapters[metric]
