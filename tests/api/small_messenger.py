"""A small messenger for the API's tests: two groups of people who share no conversation.

The first is the requirement's test data: three people, one conversation, eleven messages (5, 4 and
2) of text and images over several days. The second has other people and other words, and one user
has no conversation at all. Everything is before `NOW`, so that a period of 7 days contains all.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.world import World, uuid

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
ENGINEERS, GARDENERS = 1, 2
ALICE, BOB, CHARLIE = 1, 2, 3
DORA, EMIL = 44_444, 55_555
LONER = 6
GARDEN = uuid(GARDENERS)
TEAM = uuid(ENGINEERS)
UNKNOWN_USER, UNKNOWN_CONVERSATION = 999_999, UUID(int=99)

# What must never be in an answer for the other group.
MARKS = {
    ALICE: (b"alice", b"bob", b"charlie", b"Engineering", str(TEAM).encode()),
    DORA: (b"dora", b"emil", b"Garden", str(GARDEN).encode(), b"44444", b"55555"),
}


def ago(**offset: float) -> datetime:
    """NOW minus what `timedelta` takes."""
    return NOW - timedelta(**offset)


def fill(world: World) -> None:
    """Write the messenger."""
    old = ago(days=30)
    people = {ALICE: "alice", BOB: "bob", CHARLIE: "charlie", DORA: "dora", EMIL: "emil"}
    for number, name in people.items():
        world.user(number, username=name, created_at=old)
    world.user(LONER, username="loner", created_at=old)
    world.conversation(ENGINEERS, title="Engineering Team", created_at=ago(days=15))
    world.conversation(GARDENERS, title="Secret Garden", type="direct", created_at=ago(days=10))
    for person in (ALICE, BOB, CHARLIE):
        world.participant(ENGINEERS, person, joined_at=ago(days=15))
    for person in (DORA, EMIL):
        world.participant(GARDENERS, person, joined_at=ago(days=10))
    senders = [ALICE] * 5 + [BOB] * 4 + [CHARLIE] * 2
    for number, sender in enumerate(senders, 1):
        is_image = number in (3, 8)
        world.message(
            number,
            conversation_id=TEAM,
            sender_id=sender,
            message_type="image" if is_image else "text",
            content=None if is_image else "x" * (10 + number),
            created_at=ago(days=number % 5, hours=number, minutes=1),
        )
        world.receipt(number, BOB if sender == ALICE else ALICE, read_at=ago(hours=1))
    for number in range(101, 131):
        world.message(
            number,
            conversation_id=GARDEN,
            sender_id=DORA if number % 3 else EMIL,
            message_type="file" if number % 2 else "text",
            content="roses",
            created_at=ago(hours=number - 100),
        )
        world.receipt(number, EMIL if number % 3 else DORA, read_at=ago(minutes=30))
    world.event(1, user_id=ALICE, conversation_id=TEAM, created_at=ago(hours=3))
    world.event(2, user_id=ALICE, event_type="user.online", created_at=ago(hours=4))
    for number in range(3, 9):
        world.event(
            number, user_id=DORA, conversation_id=GARDEN, event_type="file.uploaded",
            created_at=ago(hours=number),
        )  # fmt: skip
