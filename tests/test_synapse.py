"""The comparison of `make synapse` sees what is wrong (its driver needs a Synapse)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.synapse.comparison import differences
from tests.synapse.expectations import Expectations, Key, Mark, Message, Reaction, Room, Row, Span

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SPAN = Span(NOON, NOON + SECOND)


def test_the_comparison_names_every_difference() -> None:
    """Each row that is missing, unexpected, or has a wrong value or time, has its line."""
    right: Row = {"length": 3, "sent": NOON + SECOND / 2, "edited": None}
    expected: Row = {"length": 3, "sent": SPAN, "edited": None}
    found: dict[Key, Row] = {("a",): right}
    assert differences(found, {("a",): expected}) == []
    found = {
        ("b",): {**right, "length": None},
        ("c",): {**right, "sent": NOON - SECOND},
        ("d",): {**right, "edited": NOON, "length": 4},
        ("e",): right,
    }
    assert differences(found, {(name,): expected for name in "abcd"}) == [
        "a is missing",
        "b: length is None, expected 3",
        f"c: sent is {NOON - SECOND}, expected {NOON} to {NOON + SECOND}",
        f"d: length is 4, expected 3; edited is {NOON}, expected None",
        "e was not expected",
    ]


def test_a_purge_forgets_what_was_sent_before() -> None:
    """Earlier messages and reactions of that room go; a mark at one of them stays without it."""
    before, after = message("before", step=1), message("after", step=3)
    elsewhere = replace(before, message_id="elsewhere", room_id="!other")
    expected = Expectations(
        messages={m.message_id: m for m in (before, after, elsewhere)},
        marks={
            ("!room", "@a"): Mark(message=before, made=SPAN),
            ("!room", "@b"): Mark(message=after, made=SPAN),
        },
        reactions={
            ("before", "@a", "👍"): reaction(step=2),
            ("before", "@b", "👍"): reaction(step=4),
        },
    )
    expected.forget_before("!room", 3)
    assert set(expected.messages) == {"after", "elsewhere"}
    assert set(expected.reactions) == {("before", "@b", "👍")}
    rows = expected.rows()
    assert rows["read_marks"]["!room", "@a"] == {"read_through_at": None, "marked_at": SPAN}
    assert rows["read_marks"]["!room", "@b"] == {"read_through_at": SPAN, "marked_at": SPAN}
    assert rows["reactions"]["before", "@b", "👍"]["message_created_at"] is None


def test_a_deleted_room_leaves_nothing() -> None:
    """Its messages and marks go with it."""
    room = Room(room_id="!room", creator="@a", kind="group", title=None, created=SPAN, steps=1)
    sent = message("last", step=1)
    expected = Expectations(
        rooms={"!room": room},
        messages={"last": sent},
        marks={("!room", "@a"): Mark(message=sent, made=SPAN)},
    )
    expected.forget_room("!room")
    assert not any(expected.rows().values())


def message(name: str, *, step: int) -> Message:
    """A text in one room."""
    return Message(
        message_id=name,
        room_id="!room",
        sender_id="@a",
        step=step,
        matrix_type="m.room.message",
        message_type="text",
        length=1,
        sent=SPAN,
    )


def reaction(*, step: int) -> Reaction:
    """A reaction in the same room."""
    return Reaction(event_id="$reaction", room_id="!room", step=step, given=SPAN)
