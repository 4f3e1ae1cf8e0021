"""Hypothesis strategies: random small worlds, and random calls of metrics about them.

All instants of a world and its calls come from one small pool near UTC and local midnights, changes
of the clock and quarter-hours, give or take a microsecond. So equal times are common, and so are
periods that end exactly where something happened.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from tests.metrics.oracle.world import (
    Conversation,
    Event,
    Mark,
    Message,
    Participant,
    Reaction,
    Receipt,
    User,
    World,
)

PEOPLE = range(1, 8)
CROWD = range(8, 12)
# Ids with and without the highest bit show a signed order; the last id is never mentioned.
ROOMS = [UUID(int=number << 120) for number in (1, 0x7F, 0x80, 0xFE, 0x42)]
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Australia/Lord_Howe",
    "Africa/Cairo",
)
INTERVALS = ("hourly", "daily", "weekly", "monthly")
# Days on which the clocks of these zones change, a leap day, the end of a year.
DAYS = [
    datetime(2026, 3, 8),
    datetime(2026, 3, 29),
    datetime(2026, 4, 4),
    datetime(2026, 4, 23),
    datetime(2026, 9, 26),
    datetime(2026, 10, 3),
    datetime(2026, 10, 25),
    datetime(2026, 10, 29),
    datetime(2026, 11, 1),
    datetime(2024, 2, 29),
    datetime(2025, 12, 31),
]
# Quarter-hours of UTC with local midnights and changes of the clock, and others.
QUARTERS = (0, 0, 1, 4, 10, 14, 22, 26, 40, 45, 56, 62, 73, 84, 88, 92, 95)

TYPES = ("direct", "group", "channel")

MISSING = st.none()


@st.composite
def pools(draw: st.DrawFn) -> list[datetime]:
    """A dozen instants within a week, some of them twice."""
    day = draw(st.sampled_from(DAYS))
    return draw(
        st.lists(
            st.builds(
                lambda days, quarter, shift: (
                    day + timedelta(days=days, minutes=15 * quarter) + timedelta(microseconds=shift)
                ),
                st.sampled_from((0, 0, 0, -1, 1, 2, -3)),
                st.sampled_from(QUARTERS),
                st.sampled_from((0, 0, -1, 1, 123_456_789)),
            ),
            min_size=4,
            max_size=12,
        )
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, list[datetime]]:
    """A world and its pool of instants."""
    pool = draw(pools())
    instants = st.sampled_from(pool)
    long_ago_at = min(pool) - timedelta(days=40)
    long_ago = st.just(long_ago_at)
    people = st.sampled_from(PEOPLE)
    rooms = st.sampled_from(ROOMS[:4])
    users = draw(
        st.lists(
            st.builds(
                User,
                id=people,
                username=MISSING | st.sampled_from(("ann", "bob", "o'neill")),
                is_bot=st.sampled_from((False, False, True)),
                created_at=long_ago | instants | MISSING,
                deleted_at=MISSING | MISSING | instants,
            ),
            unique_by=lambda user: user.id,
            min_size=2,
            max_size=len(PEOPLE),
        )
    )
    conversations = draw(
        st.lists(
            st.builds(
                Conversation,
                id=rooms,
                type=st.sampled_from(TYPES),
                title=MISSING | st.just("room"),
                created_at=long_ago | instants | MISSING,
            ),
            unique_by=lambda room: room.id,
            min_size=1,
            max_size=4,
        )
    )
    members = draw(
        st.lists(
            st.builds(
                Participant,
                conversation_id=rooms,
                user_id=people,
                joined_at=long_ago | long_ago | MISSING | instants,
                left_at=MISSING | MISSING | instants,
            ),
            unique_by=lambda part: (part.conversation_id, part.user_id),
            min_size=5,
            max_size=14,
        )
    )
    # Some numbers are of conversations of five people or more: in many worlds one has everybody.
    if (crowded := draw(MISSING | rooms)) is not None:
        members = [member for member in members if member.conversation_id != crowded]
        members += [Participant(crowded, user.id, long_ago_at, None) for user in users]
    world = World(
        data_through=draw(st.sampled_from([*pool, max(pool) + timedelta(days=1)])),
        users=users,
        conversations=conversations,
        participants=members,
        messages=draw(
            st.lists(
                st.builds(
                    Message,
                    id=st.integers(0, 99),
                    created_at=instants,
                    conversation_id=rooms,
                    sender_id=MISSING | people | people | people,
                    message_type=st.sampled_from(
                        ("text", "text", "text", "image", "file", "system", "sticker")
                    ),
                    content_length=MISSING | st.integers(0, 9),
                    deleted_at=MISSING | MISSING | MISSING | instants,
                ),
                unique_by=lambda message: message.id,
                min_size=8,
                max_size=30,
            )
        ),
        events=draw(
            st.lists(
                st.builds(
                    Event,
                    created_at=instants,
                    event_type=st.sampled_from(("message.sent", "user.online", "odd")),
                    conversation_id=MISSING | rooms,
                    user_id=MISSING | people | people,
                ),
                max_size=16,
            )
        ),
    )
    world = with_crowd(world, draw(rooms), draw(st.sampled_from((0, 2, 3, 4, 4))))
    known = st.sampled_from([m.id for m in world.messages] or [0])
    receipts = draw(
        st.lists(
            st.builds(
                Receipt,
                message_id=known | known | st.integers(100, 103),
                user_id=people,
                read_at=instants,
            ),
            unique_by=lambda receipt: (receipt.message_id, receipt.user_id),
            min_size=6,
            max_size=20,
        )
    )
    reactions = draw(
        st.lists(
            st.builds(
                Reaction,
                message_id=known | known | st.integers(100, 103),
                user_id=people,
                emoji=st.sampled_from(("👍", "👎", ":party-parrot:")),
                created_at=instants,
            ),
            unique_by=lambda reaction: (reaction.message_id, reaction.user_id, reaction.emoji),
            max_size=12,
        )
    )
    marks = draw(
        st.lists(
            st.builds(
                Mark,
                conversation_id=rooms,
                user_id=people,
                read_through_at=MISSING | instants | instants | instants,
                marked_at=MISSING | instants,
            ),
            unique_by=lambda mark: (mark.conversation_id, mark.user_id),
            max_size=14,
        )
    )
    return replace(world, receipts=receipts, reactions=reactions, marks=marks), pool


def with_crowd(world: World, room: UUID, size: int) -> World:
    """The world with so many more people, who are silent and present in one conversation."""
    crowd = CROWD[:size]
    return replace(
        world,
        users=[*world.users, *(User(one, f"{one}", False, None, None) for one in crowd)],
        participants=[*world.participants, *(Participant(room, one, None, None) for one in crowd)],
    )


@st.composite
def arguments(
    draw: st.DrawFn, /, metric: str, world: World, pool: list[datetime], **fixed: Any
) -> dict[str, Any]:
    """Arguments for one metric: a period inside, around or beside the pool, filters, a viewer."""
    edge = st.builds(
        lambda instant, shift: instant + shift,
        st.sampled_from(pool),
        st.sampled_from(
            [timedelta(0)] * 3
            + [timedelta(microseconds=n) for n in (-1, 1)]
            + [timedelta(hours=n) for n in (-30, 30)]
            + [timedelta(days=n) for n in (-8, 8)]
        ),
    )
    first, second = sorted((draw(edge), draw(edge)))
    kind = draw(st.sampled_from(("open", "whole", "whole", "cut", "cut", "cut")))
    if kind == "whole":
        first, second = min(pool) - timedelta(hours=30), max(pool) + timedelta(hours=30)
    people, rooms = st.sampled_from((*PEOPLE, *PEOPLE, 99)), st.sampled_from(ROOMS)
    values = {
        "since": st.just(first),
        "until": st.just(second),
        "for_conversation": rooms if metric in ABOUT_A_CONVERSATION else MISSING | MISSING | rooms,
        "for_user": people if metric in ABOUT_A_PERSON else MISSING | MISSING | people,
        "visible_to": MISSING | people,
        "include_bots": st.booleans(),
        "include_system": MISSING | st.booleans(),
        "for_type": MISSING | MISSING | st.sampled_from((*TYPES, "unheard-of")),
        "every": st.sampled_from(INTERVALS[1:] if metric in BY_DAYS else INTERVALS),
        "tz": st.sampled_from(ZONES),
        "top_n": st.sampled_from((10, 10, 1, 2, 0)),
        "sort_by": st.sampled_from(("messages", "participants", "activity")),
        "engaged_from": st.sampled_from((5, 1, 2, 3)),
    }
    asked = {name: draw(values[name]) for name in PARAMETERS[metric]}
    if kind == "open":
        asked.pop("until", None)
        if "since" in asked:
            asked["since"] = min(first, world.data_through)
    return asked | {name: value for name, value in fixed.items() if name in PARAMETERS[metric]}


_WINDOW, _ASKER = ("since", "until"), ("visible_to", "include_bots")
# By the name that is called: bare for the newest version, with `_vN` for an earlier one.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "message_stats": (*_WINDOW, "for_conversation", "for_user", "for_type", *_ASKER),
    "message_timeline_v1": (*_WINDOW, "every", "tz", "for_conversation", "for_user", *_ASKER),
    "message_timeline": (
        *(*_WINDOW, "every", "tz", "for_conversation", "for_user", "for_type"),
        *(*_ASKER, "include_system"),
    ),
    "message_heatmap": (*_WINDOW, "tz", "for_conversation", *_ASKER, "include_system"),
    "conversation_mix": (*_WINDOW, "every", "tz", *_ASKER),
    "concentration": (*_WINDOW, "for_conversation", *_ASKER),
    "membership": (*_WINDOW, "every", "tz", *_ASKER),
    "top_senders": (*_WINDOW, "for_conversation", "for_type", "top_n", *_ASKER),
    "user_activity_v1": ("for_user", *_WINDOW, *_ASKER),
    "user_activity": ("for_user", *_WINDOW, *_ASKER),
    "active_users": (*_WINDOW, *_ASKER),
    "engagement": (*_WINDOW, "engaged_from", *_ASKER),
    "conversation_stats": ("for_conversation", "until", *_ASKER),
    "top_conversations": (*_WINDOW, "for_type", "top_n", "sort_by", *_ASKER),
    "top_reactions": (*_WINDOW, "for_conversation", "for_user", "top_n", *_ASKER),
    "event_counts": (*_WINDOW, *_ASKER),
    "event_timeline": (*_WINDOW, "every", "tz", *_ASKER),
    "unread": ("for_user", *_ASKER),
    "read_through": ("for_conversation", "top_n", *_ASKER),
    "active_timeline": (*_WINDOW, "every", "tz", *_ASKER),
    "lifecycle": (*_WINDOW, "every", "tz", *_ASKER),
    "retention": (*_WINDOW, "every", "tz", *_ASKER),
    "people_heatmap": (*_WINDOW, "tz", "for_conversation", *_ASKER),
    # These are about people only.
    "reply_times": (*_WINDOW, "for_conversation", "visible_to"),
    "reply_timeline": (*_WINDOW, "every", "tz", "for_conversation", "visible_to"),
    "reply_times_by_conversation": (*_WINDOW, "top_n", "visible_to"),
    "read_rate": (*_WINDOW, "for_conversation", "visible_to"),
    "activation": (*_WINDOW, "visible_to"),
    "response_matrix": ("for_conversation", *_WINDOW, "top_n", "visible_to"),
}
# Their buckets are days and longer.
BY_DAYS = ("membership", "active_timeline", "lifecycle", "retention")
ABOUT_A_PERSON = ("user_activity", "user_activity_v1", "unread")
ABOUT_A_CONVERSATION = ("conversation_stats", "response_matrix")
# What our own messenger can answer: it has receipts and no marks.
WITHOUT_MARKS = tuple(name for name in PARAMETERS if name not in ("unread", "read_through"))


def distinct_arguments(
    metric: str, window: dict[str, Any], variants: list[dict[str, Any]], mandatory: dict[str, Any]
) -> list[dict[str, Any]]:
    """The arguments of a metric over a period in each variant; equal ones only once."""
    found: list[dict[str, Any]] = []
    for variant in variants:
        arguments = arguments_of(metric, window | variant, mandatory)
        if arguments not in found:
            found.append(arguments)
    return found


def arguments_of(
    metric: str, asked: dict[str, Any], mandatory: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Those of these arguments that a metric takes, and its mandatory one."""
    needed = mandatory or {"for_user": 1, "for_conversation": ROOMS[0]}
    name = "for_user" if metric in ABOUT_A_PERSON else None
    name = "for_conversation" if metric in ABOUT_A_CONVERSATION else name
    given = {name: needed[name]} if name else {}
    found = given | {key: value for key, value in asked.items() if key in PARAMETERS[metric]}
    if metric in BY_DAYS and found.get("every") == "hourly":
        found["every"] = "daily"
    return found
