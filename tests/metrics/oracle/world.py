"""A messenger as plain rows, and what a viewer sees of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

Row = dict[str, Any]
EVER = datetime(1, 1, 1)


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
        for_type: str | None = None,
    ) -> list[Message]:
        """Messages that count: sent in [since, until), not deleted, visible, asked for."""
        types = {c.id: c.type for c in self.world.conversations}
        return [
            m
            for m in self.world.messages
            if since <= m.created_at < until
            and m.deleted_at is None
            and self.sees_room(m.conversation_id)
            and self.counts(m.sender_id)
            and for_conversation in (None, m.conversation_id)
            and for_type in (None, types.get(m.conversation_id))
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
