"""Every metric a second time: naive Python over plain rows, written from the requirement.

It shares nothing with the product: no import from `olap`, no file of `sql/`, time zones from
`zoneinfo`. Every function has the parameters and the result columns of its macro.

A comment *departs* marks where a metric differs from the letter of the requirement, *decides* where
the requirement is silent.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

Row = dict[str, Any]
QUARTER = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
EVER = datetime(1, 1, 1)
TYPES = ("text", "image", "file", "system")


@dataclass(frozen=True, slots=True)
class User:
    id: int
    username: str | None
    is_bot: bool
    created_at: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Conversation:
    id: UUID
    type: str
    title: str | None
    created_at: datetime | None


def existed(what: User | Conversation, instant: datetime) -> bool:
    """Decides: what was created at the instant itself did not exist; at an unknown time, it did."""
    return what.created_at is None or what.created_at < instant


@dataclass(frozen=True, slots=True)
class Participant:
    conversation_id: UUID
    user_id: int
    joined_at: datetime | None
    left_at: datetime | None

    def is_present(self, instant: datetime) -> bool:
        """Decides: joining or leaving at the instant itself is not seen yet."""
        has_joined = self.joined_at is None or self.joined_at < instant
        return has_joined and (self.left_at is None or self.left_at >= instant)


@dataclass(frozen=True, slots=True)
class Message:
    id: int
    created_at: datetime
    conversation_id: UUID
    sender_id: int | None
    message_type: str
    content_length: int | None
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """`message_id` can be the id of no message."""

    message_id: int
    user_id: int
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Reaction:
    """`message_id` can be the id of no message."""

    message_id: int
    user_id: int
    emoji: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Mark:
    conversation_id: UUID
    user_id: int
    read_through_at: datetime | None
    marked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Event:
    created_at: datetime
    event_type: str
    conversation_id: UUID | None
    user_id: int | None


@dataclass(frozen=True)
class World:
    """A messenger as it is at `data_through`; times are UTC without a zone."""

    data_through: datetime
    users: list[User] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    participants: list[Participant] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Visibility:
    """What a viewer sees: everything if `visible_to` is None, else their part of it."""

    def __init__(self, world: World, visible_to: int | None, include_bots: bool) -> None:
        self.world, self.viewer, self.include_bots = world, visible_to, include_bots
        self.bots = {user.id for user in world.users if user.is_bot}
        self.present = [p for p in world.participants if p.is_present(world.data_through)]
        # The requirement is silent. Decides: a viewer whom the messenger has deleted, or does not
        # have, sees nothing, not even themself.
        self.is_somebody = any(u.id == visible_to and u.deleted_at is None for u in world.users)
        self.rooms = {
            p.conversation_id for p in self.present if p.user_id == visible_to and self.is_somebody
        }
        self.rooms_of_messages = {m.id: m.conversation_id for m in world.messages}

    def sees_room(self, conversation: UUID | None) -> bool:
        """The requirement: a user sees the analytics of conversations they take part in."""
        return self.viewer is None or conversation in self.rooms

    def sees_person(self, person: int, conversation: UUID | None = None) -> bool:
        """Decides: a viewer sees themself and those present now in one of their conversations."""
        if self.viewer is None:
            return True
        if person == self.viewer and conversation is None:
            return self.is_somebody
        rooms = self.rooms if conversation is None else self.rooms & {conversation}
        return any(p.user_id == person and p.conversation_id in rooms for p in self.present)

    def counts(self, person: int | None) -> bool:
        """Bots count as people unless they are excluded; a placeholder is not a bot."""
        return self.include_bots or person not in self.bots

    def messages(
        self,
        since: datetime,
        until: datetime,
        for_conversation: UUID | None = None,
        for_user: int | None = None,
    ) -> list[Message]:
        """Messages that count: sent in [since, until), not deleted, visible, asked for."""
        return [
            m
            for m in self.world.messages
            if since <= m.created_at < until
            and m.deleted_at is None
            and self.sees_room(m.conversation_id)
            and self.counts(m.sender_id)
            and for_conversation in (None, m.conversation_id)
            and (for_user is None or (m.sender_id == for_user and self.sees_person(for_user)))
        ]

    def receipts(self, since: datetime, until: datetime) -> list[Receipt]:
        """All receipts; one of a missing message is in no conversation."""
        return [
            r
            for r in self.world.receipts
            if since <= r.read_at < until
            and self.sees_room(self.rooms_of_messages.get(r.message_id))
            and self.counts(r.user_id)
        ]

    def reactions(
        self,
        since: datetime,
        until: datetime,
        for_conversation: UUID | None,
        for_user: int | None,
    ) -> list[Reaction]:
        """Given in [since, until), whatever became of the message, visible, asked for."""
        rooms = self.rooms_of_messages
        return [
            r
            for r in self.world.reactions
            if since <= r.created_at < until
            and self.sees_room(rooms.get(r.message_id))
            and self.counts(r.user_id)
            and for_conversation in (None, rooms.get(r.message_id))
            and (for_user is None or (r.user_id == for_user and self.sees_person(for_user)))
        ]

    def events(self, since: datetime, until: datetime) -> list[Event]:
        """Events of the viewer's conversations, and the viewer's own without a conversation."""
        return [
            e
            for e in self.world.events
            if since <= e.created_at < until
            and self.counts(e.user_id)
            and (
                self.viewer is None
                or e.conversation_id in self.rooms
                or (e.conversation_id is None and e.user_id == self.viewer and self.is_somebody)
            )
        ]


def written(messages: Iterable[Message]) -> list[Message]:
    """Departs: "sent at least one message" has no exception; here system messages do not count."""
    return [m for m in messages if m.message_type != "system"]


def people(messages: Iterable[Message]) -> set[int]:
    return {m.sender_id for m in written(messages) if m.sender_id is not None}


def ratio(part: int, whole: int | Decimal, places: str) -> Decimal:
    """0 if there is nothing to divide by."""
    quotient = Decimal(part) / whole if whole else Decimal(0)
    return quotient.quantize(Decimal(places), ROUND_HALF_UP)


def percent(part: int, whole: int) -> Decimal:
    return ratio(100 * part, whole, "0.01")


def days_asked(since: datetime, until: datetime) -> Decimal:
    return Decimal((until - since) // timedelta(microseconds=1)) / Decimal(24 * 3600 * 10**6)


def message_stats(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    for_conversation: UUID | None = None,
    for_user: int | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    messages = visible.messages(since, until, for_conversation, for_user)
    lengths = [m.content_length for m in messages if m.content_length is not None]
    types = Counter(m.message_type if m.message_type in TYPES else "other" for m in messages)
    named = (*TYPES, "other")  # departs: the requirement knows four types and no `other`
    return [
        {
            "total_messages": len(messages),
            **{f"{name}_messages": types[name] for name in named},
            "unique_senders": len(people(messages)),
            "avg_message_length": ratio(sum(lengths), len(lengths), "0.1"),
            "message_type_distribution": {n: percent(types[n], len(messages)) for n in named},
        }
    ]


def message_timeline(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    every: str = "daily",
    tz: str = "UTC",
    for_conversation: UUID | None = None,
    for_user: int | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    messages = visible.messages(since, until, for_conversation, for_user)
    return [
        {
            "timestamp": start,
            "count": sum(start <= m.created_at < end for m in messages),
            "is_partial": start < since or end > until,
        }
        for start, end in buckets(since, until, every, tz)
    ]


def top_senders(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    for_conversation: UUID | None = None,
    top_n: int = 10,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    messages = written(visible.messages(since, until, for_conversation))
    sent = Counter(m.sender_id for m in messages if m.sender_id is not None)
    # Departs: the requirement names everybody; a viewer does not see people who have left.
    named = [user for user in sent if visible.sees_person(user, for_conversation)]
    # Decides: the name is the current one; a deleted person has none.
    names = {u.id: u.username for u in world.users if u.deleted_at is None}
    return [
        {"user_id": user, "username": names.get(user), "message_count": sent[user]}
        for user in sorted(named, key=lambda user: (-sent[user], user))[:top_n]
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
    # Decides: a user created at or after `until`, or only mentioned, does not exist.
    if not any(u.id == for_user and existed(u, until) for u in world.users):
        return []
    if not visible.sees_person(for_user):
        return []
    ever = written(visible.messages(EVER, until, for_user=for_user))
    read = [r for r in visible.receipts(EVER, until) if r.user_id == for_user]
    sent = [m for m in ever if m.created_at >= since]
    activity = [m.created_at for m in ever] + [r.read_at for r in read]
    return [
        {
            "user_id": for_user,
            "messages_sent": len(sent),
            "messages_read": sum(r.read_at >= since for r in read),
            "active_conversations": len({m.conversation_id for m in sent}),
            "avg_messages_per_day": ratio(len(sent), days_asked(since, until), "0.01"),
            "first_message_date": min((m.created_at for m in ever), default=None),
            "last_activity_date": max(activity, default=None),
        }
    ]


def active_users(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    writers = people(visible.messages(since, until))
    readers = {r.user_id for r in visible.receipts(since, until)}
    return [
        {
            "active_users": len(writers),
            "active_readers": len(readers),
            "active_any": len(writers | readers),
        }
    ]


def engagement(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    engaged_from: int = 5,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    # Decides: excluded bots are not users either.
    users = {
        u.id
        for u in world.users
        if existed(u, until)
        and (u.deleted_at is None or u.deleted_at >= until)
        and visible.sees_person(u.id)
        and visible.counts(u.id)
    }
    sent = Counter(m.sender_id for m in written(visible.messages(since, until)))
    # Departs: writers who are not users, or no longer, are not counted, so no rate exceeds 100.
    active = sum(sent[user] >= 1 for user in users)
    engaged = sum(sent[user] >= max(engaged_from, 1) for user in users)
    return [
        {
            "total_users": len(users),
            "active_users": active,
            "engaged_users": engaged,
            "engagement_rate": percent(active, len(users)),
            "deep_engagement_rate": percent(engaged, len(users)),
        }
    ]


def conversation_stats(
    world: World,
    *,
    for_conversation: UUID,
    until: datetime | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    # Decides: one created at or after `until`, or only mentioned, does not exist.
    found = [c for c in world.conversations if c.id == for_conversation and existed(c, until)]
    if not found or not visible.sees_room(for_conversation):
        return []
    room = found[0]
    messages = visible.messages(EVER, until, for_conversation)
    times = [m.created_at for m in messages]
    present = {
        p.user_id
        for p in world.participants
        if p.conversation_id == room.id and p.is_present(until) and visible.counts(p.user_id)
    }
    # Decides: with an unknown time of creation it has no age, and no average.
    age = None if room.created_at is None else max(1, -((room.created_at - until) // DAY))
    return [
        {
            "conversation_id": room.id,
            "type": room.type,
            "title": room.title,
            "created_at": room.created_at,
            "participant_count": len(present),
            "active_participants": len(present & people(messages)),
            "message_count": len(messages),  # decides: system messages too
            "messages_per_day": None if age is None else ratio(len(messages), age, "0.01"),
            "conversation_age_days": age,
            "first_message_date": min(times, default=None),
            "last_message_date": max(times, default=None),
        }
    ]


def top_conversations(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    top_n: int = 10,
    sort_by: str = "messages",
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    rooms: dict[UUID, list[Message]] = {}
    for message in visible.messages(since, until):
        rooms.setdefault(message.conversation_id, []).append(message)
    known = {c.id: c for c in world.conversations}

    def order(room: UUID) -> Any:
        count, writers = len(rooms[room]), len(people(rooms[room]))
        # Decides: activity is messages per writer, and 0 where nobody wrote.
        activity = Decimal(count) / writers if writers else Decimal(0)
        keys: dict[str, Any] = {"messages": count, "participants": writers, "activity": activity}
        first = keys.pop(sort_by)
        return (-first, *(-key for key in keys.values()), room.int)

    return [
        {
            "conversation_id": room,
            "type": known[room].type if room in known else None,
            "title": known[room].title if room in known else None,
            "message_count": len(rooms[room]),
            # Departs: not the members, as the name says, but those who wrote.
            "participant_count": len(people(rooms[room])),
            "messages_per_day": ratio(len(rooms[room]), days_asked(since, until), "0.01"),
        }
        for room in sorted(rooms, key=order)[:top_n]
    ]


def top_reactions(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    for_conversation: UUID | None = None,
    for_user: int | None = None,
    top_n: int = 10,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    found = visible.reactions(since, until, for_conversation, for_user)
    people = {r.emoji: {other.user_id for other in found if other.emoji == r.emoji} for r in found}
    counts = Counter(r.emoji for r in found)
    return [
        {"emoji": emoji, "reaction_count": counts[emoji], "people_count": len(people[emoji])}
        for emoji in sorted(counts, key=lambda e: (-counts[e], -len(people[e]), e))[:top_n]
    ]


def event_counts(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    counts = Counter(e.event_type for e in visible.events(since, until))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"event_type": name, "count": count} for name, count in ranked]


def event_timeline(
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
    events = visible.events(since, until)
    return [
        {
            "timestamp": start,
            "event_type": name,
            "count": sum(e.event_type == name and start <= e.created_at < end for e in events),
            "is_partial": start < since or end > until,
        }
        for start, end in buckets(since, until, every, tz)
        for name in sorted({e.event_type for e in events})
    ]


def unread(
    world: World, *, for_user: int, visible_to: int | None = None, include_bots: bool = True
) -> list[Row]:
    visible = Visibility(world, visible_to, include_bots)
    if not visible.sees_person(for_user):
        return []
    known = {c.id: c for c in world.conversations}
    marks = {m.conversation_id: m for m in world.marks if m.user_id == for_user}
    found = []
    for member in visible.present:
        room = member.conversation_id
        if member.user_id != for_user or not visible.sees_room(room):
            continue
        messages = written(visible.messages(EVER, world.data_through, room))
        mark = marks.get(room)
        read_through = mark.read_through_at if mark else None
        # Decides: what was sent before somebody joined is not unread, however old their mark is.
        unseen = [
            m.created_at
            for m in messages
            if m.sender_id != for_user
            and (read_through is None or m.created_at > read_through)
            and (member.joined_at is None or m.created_at >= member.joined_at)
        ]
        found.append(
            {
                "conversation_id": room,
                "type": known[room].type if room in known else None,
                "title": known[room].title if room in known else None,
                "unread_count": len(unseen),
                "first_unread_at": min(unseen, default=None),
                "newest_message_at": max((m.created_at for m in messages), default=None),
                "read_through_at": read_through,
                "marked_at": mark.marked_at if mark else None,
            }
        )
    return sorted(found, key=newest_first)


def read_through(
    world: World,
    *,
    for_conversation: UUID | None = None,
    top_n: int = 10,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible = Visibility(world, visible_to, include_bots)
    rooms: dict[UUID, list[Message]] = {}
    for message in written(visible.messages(EVER, world.data_through, for_conversation)):
        rooms.setdefault(message.conversation_id, []).append(message)
    known = {c.id: c for c in world.conversations}
    marks = {(m.conversation_id, m.user_id): m.read_through_at for m in world.marks}
    found = []
    for room, messages in rooms.items():
        newest = max(m.created_at for m in messages)
        # Decides: who wrote the newest message has read it, whatever their mark says.
        writers = {m.sender_id for m in messages if m.created_at == newest}
        members = {
            p.user_id
            for p in visible.present
            if p.conversation_id == room and visible.counts(p.user_id)
        }
        readers = {m for m in members if (marks.get((room, m)) or EVER) >= newest} | (
            members & writers
        )
        found.append(
            {
                "conversation_id": room,
                "type": known[room].type if room in known else None,
                "title": known[room].title if room in known else None,
                "member_count": len(members),
                "read_count": len(readers),
                "read_share": percent(len(readers), len(members)),
                "newest_message_at": newest,
            }
        )
    return sorted(found, key=newest_first)[:top_n]


def newest_first(row: Row) -> tuple[timedelta, int]:
    """Decides: conversations without a message come last, and ids decide between equals."""
    newest = row["newest_message_at"]
    return EVER - (newest or EVER), row["conversation_id"].int


@cache
def zone(tz: str) -> ZoneInfo:
    """The zone as the package `tzdata` has it, never as the machine has it."""
    file = resources.files("tzdata").joinpath("zoneinfo", *tz.split("/"))
    return ZoneInfo.from_file(io.BytesIO(file.read_bytes()), key=tz)


def label(instant: datetime, every: str, tz: str) -> Any:
    """What a clock and a calendar on the wall say: equal within a bucket, later in the next one."""
    local = instant.replace(tzinfo=UTC).astimezone(zone(tz))
    if every == "hourly":
        return local.date(), local.hour, local.utcoffset()
    if every == "daily":
        return local.date()
    if every == "weekly":
        return local.date() - timedelta(days=local.weekday())
    return local.date().replace(day=1)


@lru_cache(maxsize=1000)
def starts(first_day: datetime, last_day: datetime, every: str, tz: str) -> list[datetime]:
    """Where buckets begin, by reading the clock every quarter-hour, and every minute of a
    quarter-hour in which it changes.

    Decides: an hour that the clock shows twice is two buckets, and a change in the middle of an
    hour cuts it; a day, a week, a month begins when its date is seen for the first time, and goes
    on when a clock that is set back shows the previous day again.
    """
    found, seen, instant = [], label(first_day, every, tz), first_day
    while instant < last_day:
        end = instant + QUARTER
        step = QUARTER if offset(instant, tz) == offset(end, tz) else MINUTE
        while instant < end:
            instant += step
            shown = label(instant, every, tz)
            if shown != seen if every == "hourly" else shown > seen:
                found.append(instant)
                seen = shown
    return found


def offset(instant: datetime, tz: str) -> timedelta | None:
    """Local time minus UTC."""
    return instant.replace(tzinfo=UTC).astimezone(zone(tz)).utcoffset()


def buckets(
    since: datetime, until: datetime, every: str, tz: str
) -> list[tuple[datetime, datetime]]:
    """The buckets that [since, until) meets, in order; none if it is empty."""
    around = {"hourly": 2, "daily": 3, "weekly": 9, "monthly": 33}[every] * DAY
    midnights = (datetime(t.year, t.month, t.day) for t in (since - around, until + around))
    edges = starts(*midnights, every, tz)
    pairs = pairwise(edges)
    return [(start, end) for start, end in pairs if max(start, since) < min(end, until)]
