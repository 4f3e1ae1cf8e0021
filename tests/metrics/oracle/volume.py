"""How much is written and read: timelines, and what one person did."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from tests.metrics.oracle.clock import buckets, zone
from tests.metrics.oracle.world import (
    EVER,
    Receipt,
    Row,
    Visibility,
    World,
    days_asked,
    existed,
    percent,
    ratio,
    written,
)


def message_timeline(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    every: str = "daily",
    tz: str = "UTC",
    for_conversation: UUID | None = None,
    for_user: int | None = None,
    for_type: str | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
    include_system: bool | None = None,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    messages = visible.messages(since, until, for_conversation, for_user, for_type)
    if include_system is False or (include_system is None and for_user is not None):
        messages = written(messages)
    return [
        {
            "timestamp": start,
            "count": sum(start <= m.created_at < end for m in messages),
            "is_partial": start < since or end > until,
        }
        for start, end in buckets(since, until, every, tz)
    ]


def user_activity(
    world: World,
    *,
    for_user: int,
    since: datetime,
    until: datetime | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    if not any(u.id == for_user and existed(u, until) for u in world.users):
        return []
    if not visible.sees_person(for_user):
        return []
    ever = written(visible.messages(EVER, until, for_user=for_user))
    read = [r for r in visible.receipts(EVER, until) if r.user_id == for_user]
    sent = [m for m in ever if m.created_at >= since]
    # A receipt tells the conversation and the time of its message, and not its sender. Decides: a
    # message is one's own if one sent a message there and then, whatever became of it.
    places = {m.id: (m.conversation_id, m.created_at) for m in world.messages}
    own = {places[m.id] for m in world.messages if m.sender_id == for_user}
    others = [r for r in read if r.read_at >= since and places.get(r.message_id) not in own]
    activity = [m.created_at for m in ever] + [r.read_at for r in read]
    return [
        {
            "user_id": for_user,
            "messages_sent": len(sent),
            "messages_read": len(others),
            "active_conversations": len({m.conversation_id for m in sent}),
            "avg_messages_per_day": ratio(len(sent), days_asked(since, until), "0.01"),
            "first_message_date": min((m.created_at for m in ever), default=None),
            "last_activity_date": max(activity, default=None),
        }
    ]


def message_heatmap(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    tz: str = "UTC",
    for_conversation: UUID | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
    include_system: bool | None = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    messages = [
        m
        for m in visible.messages(since, until, for_conversation)
        if (include_system is not False or m.message_type != "system")
        and (visible_to is None or len(present(world, m.conversation_id)) >= 5)
    ]

    def cell(instant: datetime) -> tuple[int, int]:
        local = instant.replace(tzinfo=UTC).astimezone(zone(tz))
        return local.isoweekday(), local.hour

    sent = Counter(cell(m.created_at) for m in messages)
    met = Counter(cell(start) for start, _ in buckets(since, until, "hourly", tz))
    return [
        {
            "weekday": weekday,
            "hour": hour,
            "messages": sent[weekday, hour],
            "occurrences": met[weekday, hour],
            "per_occurrence": ratio(sent[weekday, hour], met[weekday, hour], "0.01"),
        }
        for weekday in range(1, 8)
        for hour in range(24)
    ]


def present(world: World, room: UUID) -> set[int]:
    """The people, no bots and no deleted accounts, who are in a conversation now."""
    people = {u.id for u in world.users if not u.is_bot and u.deleted_at is None}
    members = [p for p in world.participants if p.conversation_id == room]
    return {p.user_id for p in members if p.is_present(world.data_through)} & people


def conversation_mix(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    every: str = "daily",
    tz: str = "UTC",
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    types = {c.id: c.type for c in world.conversations}
    rooms = {m.id: m.conversation_id for m in world.messages}
    sent = [(types.get(m.conversation_id), m) for m in visible.messages(since, until)]
    read = [(_type_of(types, rooms, r), r) for r in visible.receipts(since, until)]
    order = ["direct", "group", "channel"]

    def people(kind: str | None, start: datetime, end: datetime) -> set[int]:
        wrote = written([m for k, m in sent if k == kind and start <= m.created_at < end])
        seen = {r.user_id for k, r in read if k == kind and start <= r.read_at < end}
        return seen | {m.sender_id for m in wrote if m.sender_id is not None}

    return [
        {
            "timestamp": start,
            "conversation_type": kind,
            "messages": sum(k == kind and start <= m.created_at < end for k, m in sent),
            "reads": sum(k == kind and start <= r.read_at < end for k, r in read),
            "people": len(people(kind, start, end)),
            "is_partial": start < since or end > until,
        }
        for start, end in buckets(since, until, every, tz)
        for kind in sorted(
            {k for k, _ in sent} | {k for k, _ in read},
            key=lambda k: (k is None, order.index(k) if k in order else len(order), k),
        )
    ]


def _type_of(types: dict[UUID, str], rooms: dict[int, UUID], receipt: Receipt) -> str | None:
    """The type of the conversation that a receipt is about; of a missing message it is unknown."""
    room = rooms.get(receipt.message_id)
    return None if room is None else types.get(room)


def concentration(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    for_conversation: UUID | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    messages = written(visible.messages(since, until, for_conversation))
    sent = Counter(m.sender_id for m in messages if m.sender_id is not None)
    numbers = sorted(sent.values(), reverse=True)
    total = sum(numbers)

    def share(percent_of_writers: int) -> Decimal:
        first = -(-len(numbers) * percent_of_writers // 100)
        return percent(sum(numbers[:first]), total)

    # The mean difference between any two writers, divided by twice the mean.
    differences = sum(abs(one - other) for one in numbers for other in numbers)
    gini = Fraction(differences, 2 * len(numbers) * total) if numbers else Fraction(0)
    return [
        {
            "messages": total,
            "writers": len(numbers),
            "top_1_percent_share": share(1),
            "top_10_percent_share": share(10),
            "top_half_share": share(50),
            "gini": ratio(gini.numerator, gini.denominator, "0.01") if numbers else None,
        }
    ]


def membership(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    every: str = "daily",
    tz: str = "UTC",
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    accounts = [(u.created_at, u.deleted_at) for u in world.users if visible.counts(u.id)]
    members = [
        (p.joined_at, p.left_at)
        for p in world.participants
        if visible.sees_room(p.conversation_id) and visible.counts(p.user_id)
    ]
    return [
        {
            "timestamp": start,
            **dict(
                zip(
                    ("accounts", "joined", "deleted"),
                    # Decides: accounts are of the site; a viewer sees memberships only.
                    come_and_gone(accounts, max(start, since), min(end, until))
                    if visible_to is None
                    else (None, None, None),
                    strict=True,
                )
            ),
            **dict(
                zip(
                    ("memberships", "memberships_joined", "memberships_left"),
                    come_and_gone(members, max(start, since), min(end, until)),
                    strict=True,
                )
            ),
            "is_partial": start < since or end > until,
        }
        for start, end in buckets(since, until, every, tz)
    ]


def come_and_gone(
    spans: list[tuple[datetime | None, datetime | None]], start: datetime, end: datetime
) -> tuple[int, int, int]:
    """How many are there at the end of [start, end), and how many came and went in it.

    Decides: what went before it came was never there.
    """
    known = [(begin, gone) for begin, gone in spans if not (begin and gone and gone < begin)]
    there = [
        1
        for begin, gone in known
        if (begin is None or begin < end) and (gone is None or gone >= end)
    ]
    came = [1 for begin, _ in known if begin is not None and start <= begin < end]
    went = [1 for _, gone in known if gone is not None and start <= gone < end]
    return len(there), len(came), len(went)
