"""The first metrics: messages, people, conversations, events, reading."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.metrics.oracle.clock import DAY, buckets
from tests.metrics.oracle.world import (
    EVER,
    Message,
    Row,
    Visibility,
    World,
    days_asked,
    existed,
    people,
    percent,
    ratio,
    written,
)

TYPES = ("text", "image", "file", "system")


def message_stats(
    world: World,
    *,
    since: datetime,
    until: datetime | None = None,
    for_conversation: UUID | None = None,
    for_user: int | None = None,
    for_type: str | None = None,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    messages = visible.messages(since, until, for_conversation, for_user, for_type)
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


def message_timeline_v1(
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
    for_type: str | None = None,
    top_n: int = 10,
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    messages = written(visible.messages(since, until, for_conversation, for_type=for_type))
    sent = Counter(m.sender_id for m in messages if m.sender_id is not None)
    # Departs: the requirement names everybody; a viewer does not see people who have left.
    named = [user for user in sent if visible.sees_person(user, for_conversation)]
    # Decides: the name is the current one; a deleted person has none.
    names = {u.id: u.username for u in world.users if u.deleted_at is None}
    return [
        {"user_id": user, "username": names.get(user), "message_count": sent[user]}
        for user in sorted(named, key=lambda user: (-sent[user], user))[:top_n]
    ]


def user_activity_v1(
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
    for_type: str | None = None,
    top_n: int = 10,
    sort_by: str = "messages",
    visible_to: int | None = None,
    include_bots: bool = True,
) -> list[Row]:
    visible, until = Visibility(world, visible_to, include_bots), until or world.data_through
    rooms: dict[UUID, list[Message]] = {}
    for message in visible.messages(since, until, for_type=for_type):
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
