"""Replies, answers and reads: each rule by hand, and what must hold between the metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from olap.catalog import set_missing
from olap.warehouse import Warehouse
from tests.effort import examples
from tests.metrics.filled import filled_with
from tests.metrics.oracle.world import (
    Conversation,
    Message,
    Participant,
    Receipt,
    User,
    World,
)
from tests.metrics.random_worlds import INTERVALS, PEOPLE, ROOMS, ZONES, worlds

NOON = datetime(2026, 3, 9, 12)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
LONG_AGO, THROUGH = NOON - timedelta(days=99), NOON + timedelta(days=9)
ANN, BOB, CAT, DAN, EVA, BOT = range(1, 7)
ROOM = ROOMS[0]
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
PERIOD = {"since": NOON - DAY, "until": THROUGH}


def talk(*said: tuple[timedelta | int, int], **changes: Any) -> World:
    """A group of five people and a bot; what is said is (seconds after noon, sender)."""
    world = World(
        data_through=THROUGH,
        users=[
            User(number, f"user {number}", number == BOT, LONG_AGO, None)
            for number in (ANN, BOB, CAT, DAN, EVA, BOT)
        ],
        conversations=[Conversation(ROOM, "group", "room", LONG_AGO)],
        participants=[
            Participant(ROOM, number, LONG_AGO, None) for number in (ANN, BOB, CAT, DAN, EVA, BOT)
        ],
        messages=[
            Message(number, NOON + _seconds(after), ROOM, sender, "text", 1, None)
            for number, (after, sender) in enumerate(said)
        ],
    )
    return replace(world, **changes)


def _seconds(after: timedelta | int) -> timedelta:
    return after if isinstance(after, timedelta) else timedelta(seconds=after)


def rows(warehouse: Warehouse, world: World, metric: str, **asked: Any) -> list[dict[str, Any]]:
    """The rows of a metric, by default of the period around noon."""
    with filled_with(warehouse, world) as filled:
        return [dict(row) for row in filled.ask(metric, **PERIOD | asked)]


def replies(warehouse: Warehouse, world: World, **asked: Any) -> tuple[int, int | None]:
    """How many replies there are, and the half of their pauses."""
    first = rows(warehouse, world, "reply_times", **asked)[0]
    return first["replies"], first["half_seconds"]


def test_only_somebody_else_can_be_replied_to(empty_warehouse: Warehouse) -> None:
    """The first message and those after one's own are no replies; the pause is that to the latest
    message before."""
    assert replies(empty_warehouse, talk((0, ANN), (10, ANN), (40, BOB))) == (1, 30)
    assert replies(empty_warehouse, talk((0, ANN), (10, ANN))) == (0, None)
    assert replies(empty_warehouse, talk((0, ANN))) == (0, None)


def test_a_pause_is_less_than_a_day(empty_warehouse: Warehouse) -> None:
    """A day less a microsecond is a reply and an answer, a whole day is neither; seconds are
    rounded down."""
    almost = rows(empty_warehouse, talk((0, ANN), (DAY - MICROSECOND, BOB)), "reply_times")[0]
    assert (almost["replies"], almost["half_seconds"]) == (1, 86399)
    assert almost["answered_in_24_hours_rate"] == "decimal 50.00"
    whole = rows(empty_warehouse, talk((0, ANN), (DAY, BOB)), "reply_times")[0]
    assert (whole["replies"], whole["half_seconds"]) == (0, None)
    assert whole["answered_in_24_hours_rate"] == "decimal 0.00"
    assert pairs(empty_warehouse, talk((0, ANN), (DAY - MICROSECOND, BOB))) == {
        (BOB, ANN): (1, 86399)
    }
    assert pairs(empty_warehouse, talk((0, ANN), (DAY, BOB))) == {}


def test_an_hour_is_less_than_an_hour(empty_warehouse: Warehouse) -> None:
    """An answer within 1 hour comes a microsecond before the hour is over, at the latest."""
    hour = timedelta(hours=1)
    for pause, rate in ((hour - MICROSECOND, "decimal 50.00"), (hour, "decimal 0.00")):
        first = rows(empty_warehouse, talk((0, ANN), (pause, BOB)), "reply_times")[0]
        assert first["answered_in_1_hour_rate"] == rate


def test_bots_system_messages_and_deleted_messages_stop_no_clock(
    empty_warehouse: Warehouse,
) -> None:
    """Between question and reply they change nothing, and none of them replies."""
    plain = talk((0, ANN), (30, BOB))
    room, at = ROOM, NOON + timedelta(seconds=10)
    between = [
        Message(90, at, room, BOT, "text", 1, None),
        Message(91, at, room, CAT, "system", 1, None),
        Message(92, at, room, CAT, "text", 1, NOON + DAY),
        Message(93, at, room, None, "text", 1, None),
    ]
    whole = rows(empty_warehouse, plain, "reply_times")
    for messages in ([one] for one in between):
        disturbed = replace(plain, messages=plain.messages + messages)
        assert rows(empty_warehouse, disturbed, "reply_times") == whole
    assert (whole[0]["replies"], whole[0]["half_seconds"], whole[0]["judged_messages"]) == (
        1,
        30,
        2,
    )


def test_several_people_in_one_microsecond(empty_warehouse: Warehouse) -> None:
    """They do not reply to each other; the next message is a reply, also by one of them: somebody
    else wrote at that instant too. Messages of one person at one instant are one."""
    together = [(0, ANN), (0, BOB), (0, BOB)]
    assert replies(empty_warehouse, talk(*together)) == (0, None)
    for follower in (ANN, CAT):
        assert replies(empty_warehouse, talk(*together, (7, follower))) == (1, 7)
    assert replies(empty_warehouse, talk((-5, CAT), *together)) == (2, 5)
    first = rows(empty_warehouse, talk(*together, (7, ANN)), "reply_times")[0]
    # Ann's and Bob's are answered: by each other they are not, and after 7 seconds Ann answers Bob.
    assert first["judged_messages"] == 3
    assert first["answered_in_24_hours_rate"] == "decimal 33.33"


def test_nothing_at_or_after_until_counts(empty_warehouse: Warehouse) -> None:
    """A reply at `until` is none, and only messages that had their 24 hours are judged."""
    world = talk((0, ANN), (30, BOB), (40, ANN))
    until = NOON + timedelta(seconds=40)
    assert replies(empty_warehouse, world, until=until) == (1, 30)
    assert replies(empty_warehouse, world, until=until + MICROSECOND) == (2, 10)
    asked = {"until": NOON + DAY}
    assert rows(empty_warehouse, world, "reply_times", **asked)[0]["judged_messages"] == 0
    asked = {"until": NOON + DAY + MICROSECOND}
    first = rows(empty_warehouse, world, "reply_times", **asked)[0]
    assert (first["judged_messages"], first["answered_in_1_hour_rate"]) == (1, "decimal 100.00")


def test_the_future_changes_nothing(empty_warehouse: Warehouse) -> None:
    """Messages and receipts at or after `until` change no row of any of these metrics."""
    until = NOON + DAY + timedelta(hours=2)
    times = [timedelta(minutes=7 * n) for n in range(int((until - NOON) / timedelta(minutes=7)))]
    world = talk(*((after, 1 + n * n % 5) for n, after in enumerate(times)))
    seen = [Receipt(n, 1 + (n + 1) % 5, NOON + times[n] + timedelta(hours=n)) for n in range(99)]
    world = replace(world, receipts=[one for one in seen if one.read_at < until])
    later = [until + timedelta(seconds=n) for n in range(0, 3000, 50)]
    future = [Message(900 + n, at, ROOM, 1 + n % 5, "text", 1, None) for n, at in enumerate(later)]
    changed = replace(world, messages=world.messages + future, receipts=seen)
    for metric in METRICS:
        asked = {"until": until} | ({"for_conversation": ROOM} if metric == MATRIX else {})
        before = rows(empty_warehouse, world, metric, **asked)
        assert rows(empty_warehouse, changed, metric, **asked) == before and before


def test_a_reply_to_what_was_written_before_since(empty_warehouse: Warehouse) -> None:
    """A reply in the period counts, with its whole pause, if what it replies to lies before it."""
    world = talk((0, ANN), (30, BOB))
    assert replies(empty_warehouse, world, since=NOON + timedelta(seconds=30)) == (1, 30)
    found = pairs(empty_warehouse, world, since=NOON + timedelta(seconds=30))
    assert found == {(BOB, ANN): (1, 30)}
    asked = {"since": NOON + timedelta(seconds=30, microseconds=1)}
    assert replies(empty_warehouse, world, **asked) == (0, None)


def test_half_and_nine_tenths(empty_warehouse: Warehouse) -> None:
    """They are pauses that occurred: the least that so many of all replies do not exceed."""
    for pauses, half, nine_tenths in (
        ([5], 5, 5),
        ([5, 7], 5, 7),
        (range(1, 11), 5, 9),
        (range(1, 12), 6, 10),
        ([3] * 5 + [9] * 5, 3, 9),
        ([3] * 9 + [9], 3, 3),
    ):
        first = rows(empty_warehouse, talk(*alternating(pauses)), "reply_times")[0]
        assert (first["half_seconds"], first["nine_tenths_seconds"]) == (half, nine_tenths)


def alternating(pauses: Iterable[int]) -> list[tuple[timedelta | int, int]]:
    """Ann and Bob in turn, with these pauses."""
    said: list[tuple[timedelta | int, int]] = [(0, ANN)]
    after = 0
    for number, pause in enumerate(pauses):
        after += pause
        said.append((after, (BOB, ANN)[number % 2]))
    return said


def test_types_are_below_the_row_of_all(empty_warehouse: Warehouse) -> None:
    """One row for all conversations, then one per type that has something to tell; conversations of
    an unknown type are in the first row alone."""
    other, unknown = ROOMS[1], ROOMS[2]
    world = talk((0, ANN), (30, BOB))
    world = replace(
        world,
        conversations=[*world.conversations, Conversation(other, "direct", None, LONG_AGO)],
        messages=[
            *world.messages,
            *(
                Message(
                    50 + n, NOON + timedelta(seconds=8 * (n % 2)), room, ANN + n, "text", 1, None
                )
                for room in (other, unknown)
                for n in range(2)
            ),
        ],
    )
    found = rows(empty_warehouse, world, "reply_times")
    shown = [(row["conversation_type"], row["replies"], row["half_seconds"]) for row in found]
    assert shown == [(None, 3, 8), ("direct", 1, 8), ("group", 1, 30)]
    assert rows(empty_warehouse, world, "reply_times", for_conversation=other)[0]["replies"] == 1
    nothing = rows(empty_warehouse, World(data_through=THROUGH), "reply_times")
    assert nothing == [
        {
            "conversation_type": None,
            "replies": 0,
            "half_seconds": None,
            "nine_tenths_seconds": None,
            "judged_messages": 0,
            "answered_in_1_hour_rate": "decimal 0.00",
            "answered_in_24_hours_rate": "decimal 0.00",
            "relative_error": "decimal 0.00",
        }
    ]


def test_what_cannot_be_judged_yet_is_unknown(empty_warehouse: Warehouse) -> None:
    """A period that begins within 24 hours of its end has no rates; one microsecond more has."""
    world = talk((0, ANN), (30, BOB))
    for shift, rate in ((timedelta(0), None), (MICROSECOND, "decimal 100.00")):
        asked = {"since": NOON, "until": NOON + DAY + shift}
        first = rows(empty_warehouse, world, "reply_times", **asked)[0]
        assert first["answered_in_24_hours_rate"] == rate
        assert first["judged_messages"] == (rate is not None)
        for metric, column in (
            ("reply_timeline", "answered_in_1_hour_rate"),
            ("read_rate", "read_rate"),
        ):
            first = rows(empty_warehouse, world, metric, **asked)[0]
            assert (first[column] is None) is (rate is None)


def test_bots_system_messages_and_deleted_ones_are_not_judged_by_reads(
    empty_warehouse: Warehouse,
) -> None:
    """Only what people wrote is judged, and no bot and no sender reads for others."""
    world = talk((0, ANN), (0, BOT), (1, BOB))
    seen = NOON + timedelta(seconds=20, microseconds=999_999)
    for reader, expected in ((ANN, (0, None)), (BOT, (0, None)), (BOB, (1, 20))):
        read = replace(world, receipts=[Receipt(0, reader, seen)])
        first = rows(empty_warehouse, read, "read_rate")[0]
        assert (first["read_messages"], first["median_seconds"]) == expected
        assert first["judged_messages"] == 2


def test_a_message_is_read_within_a_day(empty_warehouse: Warehouse) -> None:
    """A receipt counts from the instant of sending to a microsecond before a day is over, and the
    first of several decides."""
    world = talk((0, ANN))
    for pause, expected in (
        (-MICROSECOND, None),
        (timedelta(0), 0),
        (DAY - MICROSECOND, 86399),
        (DAY, None),
    ):
        read = replace(world, receipts=[Receipt(0, BOB, NOON + pause)])
        assert rows(empty_warehouse, read, "read_rate")[0]["median_seconds"] == expected
    receipts = [Receipt(0, reader, NOON + timedelta(seconds=9 * reader)) for reader in (CAT, BOB)]
    read = replace(world, receipts=receipts)
    first = rows(empty_warehouse, read, "read_rate")[0]
    assert (first["median_seconds"], first["read_rate"]) == (18, "decimal 100.00")


def test_reads_are_judged_after_a_day(empty_warehouse: Warehouse) -> None:
    """What was sent within 24 hours of `until` is left out, however soon it was read."""
    world = replace(talk((0, ANN), (1, ANN)), receipts=[Receipt(0, BOB, NOON)])
    until = NOON + DAY + MICROSECOND
    for judged, asked in ((2, THROUGH), (1, until), (0, until - MICROSECOND)):
        first = rows(empty_warehouse, world, "read_rate", until=asked)[0]
        assert (first["judged_messages"], first["read_messages"]) == (judged, min(judged, 1))


def test_reads_without_receipts_are_unknown(empty_warehouse: Warehouse) -> None:
    """Without receipts messages are judged, and whether they were read is null and not 0."""
    with filled_with(empty_warehouse, talk((0, ANN))) as filled:
        set_missing(empty_warehouse, {"read_receipts": "there are none"})
        (first, _) = filled.ask("read_rate", **PERIOD)
    assert dict(first) == {
        "conversation_type": None,
        "judged_messages": 1,
        "read_messages": None,
        "read_rate": None,
        "median_seconds": None,
    }


def test_who_replies_to_whom(empty_warehouse: Warehouse) -> None:
    """A reply goes to everybody else who wrote at the latest earlier instant, in that direction."""
    world = talk((0, ANN), (10, BOB), (30, ANN), (90, ANN), (95, CAT), (95, DAN), (99, ANN))
    assert pairs(empty_warehouse, world) == {
        (BOB, ANN): (1, 10),
        (ANN, BOB): (1, 20),
        (CAT, ANN): (1, 5),
        (DAN, ANN): (1, 5),
        (ANN, CAT): (1, 4),
        (ANN, DAN): (1, 4),
    }
    found = rows(empty_warehouse, world, MATRIX, for_conversation=ROOM, top_n=1)
    assert found == [
        {
            "from_user_id": ANN,
            "from_username": "user 1",
            "to_user_id": BOB,
            "to_username": "user 2",
            "replies": 1,
            "half_seconds": 20,
        }
    ]


def pairs(warehouse: Warehouse, world: World, **asked: Any) -> dict[tuple[int, int], Any]:
    """Replies and half of their pauses by (from, to)."""
    found = rows(warehouse, world, MATRIX, **{"for_conversation": ROOM} | asked)
    return {
        (row["from_user_id"], row["to_user_id"]): (row["replies"], row["half_seconds"])
        for row in found
    }


def test_fewer_than_five_people_are_no_statistic(empty_warehouse: Warehouse) -> None:
    """With four people present, the fifth gone, deleted, unknown, a bot or still to come, there are
    no pairs and no conversation, for a member and for an administrator."""
    world = talk((0, ANN), (30, BOB))
    assert pairs(empty_warehouse, world) == {(BOB, ANN): (1, 30)}
    *four, eva, bot = world.participants
    users = world.users
    for fewer in (
        {"participants": [*four, bot]},
        {"participants": [*four, replace(eva, left_at=NOON), bot]},
        {"participants": [*four, replace(eva, joined_at=THROUGH), bot]},
        {"users": [replace(u, deleted_at=NOON) if u.id == EVA else u for u in users]},
        {"users": [u for u in users if u.id != EVA]},
    ):
        small = replace(world, **fewer)
        for viewer in ({}, {"visible_to": ANN}):
            assert pairs(empty_warehouse, small, **viewer) == {}
            assert rows(empty_warehouse, small, CONVERSATIONS, **viewer) == []
            assert replies(empty_warehouse, small, **viewer) == (1, 30)
    (only,) = rows(empty_warehouse, world, CONVERSATIONS)
    assert (only["conversation_id"], only["replies"], only["half_seconds"]) == (ROOM, 1, 30)


def test_who_left_is_not_named_to_members(empty_warehouse: Warehouse) -> None:
    """A member does not see pairs with somebody who left; an administrator does, without the name
    of a deleted account. Somebody who is not in the conversation sees no pair."""
    world = talk((0, ANN), (30, BOB), (40, CAT), (50, BOT), (60, DAN))
    more = [User(number, f"user {number}", False, LONG_AGO, None) for number in (7, 8, 9)]
    members = [Participant(ROOM, user.id, LONG_AGO, None) for user in more]
    world = replace(
        world,
        users=[replace(u, deleted_at=NOON) if u.id == BOB else u for u in world.users] + more,
        participants=[
            *(
                replace(p, left_at=NOON + DAY) if p.user_id == BOB else p
                for p in world.participants
            ),
            *members,
        ],
    )
    whole = {(BOB, ANN): (1, 30), (CAT, BOB): (1, 10), (DAN, CAT): (1, 20)}
    assert pairs(empty_warehouse, world) == whole
    assert pairs(empty_warehouse, world, visible_to=ANN) == {(DAN, CAT): (1, 20)}
    assert pairs(empty_warehouse, world, visible_to=BOT + 10) == {}
    names = {
        (row["from_username"], row["to_username"])
        for row in rows(empty_warehouse, world, MATRIX, for_conversation=ROOM)
    }
    assert names == {(None, "user 1"), ("user 3", None), ("user 4", "user 3")}


def test_nobody_replies_in_every_conversation_at_once(empty_warehouse: Warehouse) -> None:
    """A matrix without a conversation is empty, for a member too."""
    world = talk((0, ANN), (30, BOB))
    assert pairs(empty_warehouse, world, for_conversation=None) == {}
    assert pairs(empty_warehouse, world, for_conversation=None, visible_to=ANN) == {}


@settings(max_examples=examples(12), phases=PHASES)
@given(drawn=worlds(), viewer=st.none() | st.sampled_from(PEOPLE), zone=st.sampled_from(ZONES))
def test_replies_add_up(
    drawn: tuple[World, list[datetime]], viewer: int | None, zone: str, empty_warehouse: Warehouse
) -> None:
    """The buckets of a timeline add up to all replies and judged messages, as do the conversations
    and the types; reads and replies judge the same messages; half is at most nine tenths, and who
    answered within 1 hour did so within 24."""
    world, pool = drawn
    asked = {
        "since": min(pool) - timedelta(days=1),
        "until": max(pool) + timedelta(days=1),
        "visible_to": viewer,
    }
    with filled_with(empty_warehouse, world) as filled:
        first, *types = map(dict, filled.ask("reply_times", **asked))
        reads, *_ = map(dict, filled.ask("read_rate", **asked))
        assert reads["judged_messages"] == first["judged_messages"] >= reads["read_messages"]
        for every in INTERVALS:
            buckets = [dict(b) for b in filled.ask("reply_timeline", **asked, every=every, tz=zone)]
            for counted in ("replies", "judged_messages"):
                assert sum(bucket[counted] for bucket in buckets) == first[counted]
        rooms = [
            dict(filled.ask("reply_times", **asked, for_conversation=room)[0]) for room in ROOMS
        ]
        shown = [dict(row) for row in filled.ask(CONVERSATIONS, **asked)]
    for counted in ("replies", "judged_messages"):
        assert sum(room[counted] for room in rooms) == first[counted]
        assert sum(kind[counted] for kind in types) <= first[counted]
        known = {c.id for c in world.conversations}
        if {m.conversation_id for m in world.messages} <= known:
            assert sum(kind[counted] for kind in types) == first[counted]
    assert all(row["replies"] > 0 for row in shown)
    for row in (first, *types, *rooms, *shown):
        assert (row["half_seconds"] or 0) <= (row["nine_tenths_seconds"] or 0) < 86400
        assert (row["half_seconds"] is None) is (row["replies"] == 0)
        soon, late = (
            Decimal(str(row[f"answered_in_{time}_rate"]).removeprefix("decimal "))
            for time in ("1_hour", "24_hours")
        )
        assert 0 <= soon <= late <= 100


MATRIX, CONVERSATIONS = "response_matrix", "reply_times_by_conversation"
METRICS = ("reply_times", "reply_timeline", CONVERSATIONS, "read_rate", MATRIX)
