"""What the driver did, as rows of the analytics: who, where, what, and between which two instants.

The server's clock decides a row's times. The driver knows only when it asked and when the answer
came, so an expected time is a `Span`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
Key = tuple[str, ...]
# The columns of a row; what is expected of a time is a `Span`.
Row = Mapping[str, object]

# The server's clock has milliseconds.
_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The instants from the request to its answer."""

    since: datetime
    until: datetime

    def contains(self, found: object) -> bool:
        """Whether `found` is such an instant."""
        return isinstance(found, datetime) and self.since - _TICK < found <= self.until

    def __str__(self) -> str:
        return f"{self.since} to {self.until}"

    @property
    def in_seconds(self) -> Span:
        """For a time of which the server keeps the second."""
        return Span(self.since.replace(microsecond=0), self.until)


def during(call: Callable[[], T]) -> tuple[T, Span]:
    """The result of a call, and when it was made."""
    since = datetime.now(UTC)
    result = call()
    return result, Span(since, datetime.now(UTC))


@dataclass(slots=True, kw_only=True)
class Person:
    """An account."""

    user_id: str
    name: str
    is_bot: bool
    registered: Span
    is_active: bool = True


@dataclass(slots=True, kw_only=True)
class Room:
    """A room; a space has no row.

    Attributes:
        kind: direct, group or channel.
        steps: how many events the driver sent to it, which orders them.
    """

    room_id: str
    creator: str
    kind: str
    title: str | None
    created: Span
    is_space: bool = False
    steps: int = 0


@dataclass(slots=True, kw_only=True)
class Stay:
    """The last time that somebody joined a room."""

    joined: Span
    left: Span | None = None


@dataclass(slots=True, kw_only=True)
class Edit:
    """A new version of a message; `length` is None if nobody can know it."""

    event_id: str
    step: int
    length: int | None
    made: Span
    is_redacted: bool = False


@dataclass(slots=True, kw_only=True)
class Message:
    """A message, with its edits in order.

    Attributes:
        step: its place in the order of its room.
        matrix_type: the type of its event, which its edits must have too.
        thread: the message that its thread began with; None = it is in no thread.
        is_edit: it is an edit that was redacted. Synapse forgets that it was one, so it counts as a
            deleted message of its own.
    """

    message_id: str
    room_id: str
    sender_id: str
    step: int
    matrix_type: str
    message_type: str
    length: int | None
    sent: Span
    edits: list[Edit] = field(default_factory=list)
    deleted: Span | None = None
    thread: str | None = None
    is_edit: bool = False

    @property
    def is_imported(self) -> bool:
        """Whether it has the time of another messenger, which its place in the room contradicts."""
        return self.sent.since == self.sent.until

    @property
    def edit(self) -> Edit | None:
        """The edit that is shown."""
        return next((edit for edit in reversed(self.edits) if not edit.is_redacted), None)


@dataclass(slots=True, kw_only=True)
class Mark:
    """Up to which message somebody has read a room; None if that message was purged."""

    message: Message | None
    made: Span


@dataclass(slots=True, kw_only=True)
class Reaction:
    """A reaction that was not taken back; its message may have been purged."""

    event_id: str
    room_id: str
    step: int
    given: Span


@dataclass(slots=True, kw_only=True)
class Redaction:
    """The event by which somebody redacted something."""

    room_id: str
    user_id: str
    step: int
    made: Span


@dataclass(slots=True)
class Expectations:
    """Everything that the analytics should tell, by the keys of their tables."""

    people: dict[str, Person] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    stays: dict[tuple[str, str], Stay] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    marks: dict[tuple[str, str], Mark] = field(default_factory=dict)
    reactions: dict[tuple[str, str, str], Reaction] = field(default_factory=dict)
    redactions: dict[str, Redaction] = field(default_factory=dict)

    def members(self, room: str) -> list[str]:
        """Who is in a room."""
        return [user for (at, user), stay in self.stays.items() if at == room and not stay.left]

    def messages_of(self, room: str) -> list[Message]:
        """What people sent to a room as messages, deleted ones too, in order."""
        return [m for m in self.messages.values() if m.room_id == room and not m.is_edit]

    def forget_before(self, room: str, step: int) -> None:
        """Drop what was sent to a room before `step`; people, stays and marks remain."""
        for m in [m for m in self.messages.values() if m.room_id == room and m.step < step]:
            del self.messages[m.message_id]
        for key, reaction in list(self.reactions.items()):
            if reaction.room_id == room and reaction.step < step:
                del self.reactions[key]
        for event_id, redaction in list(self.redactions.items()):
            if redaction.room_id == room and redaction.step < step:
                del self.redactions[event_id]
        for (at, _), mark in self.marks.items():
            if at == room and mark.message and mark.message.step < step:
                mark.message = None

    def forget_room(self, room: str) -> None:
        """Drop a room with everything in it."""
        self.forget_before(room, self.rooms.pop(room).steps + 1)
        for place in [place for place in self.stays if place[0] == room]:
            del self.stays[place]
        for place in [place for place in self.marks if place[0] == room]:
            del self.marks[place]

    def rows(self) -> dict[str, dict[Key, Row]]:
        """The expected rows of each table; of the events, the redactions alone."""
        spaces = {room.room_id for room in self.rooms.values() if room.is_space}
        return {
            "users": {(p.user_id,): _user(p) for p in self.people.values()},
            "conversations": {
                (room.room_id,): _conversation(room)
                for room in self.rooms.values()
                if not room.is_space
            },
            "participants": {
                place: {"joined_at": stay.joined, "left_at": stay.left}
                for place, stay in self.stays.items()
                if place[0] not in spaces
            },
            "messages": {(m.message_id,): _message(m) for m in self.messages.values()},
            "read_marks": {
                place: {
                    "read_through_at": mark.message.sent if mark.message else None,
                    "marked_at": mark.made,
                }
                for place, mark in self.marks.items()
            },
            "reactions": {key: self._reaction(key[0], r) for key, r in self.reactions.items()},
            "events": {
                (event_id,): {
                    "conversation_id": redaction.room_id,
                    "user_id": redaction.user_id,
                    "created_at": redaction.made,
                }
                for event_id, redaction in self.redactions.items()
            },
        }

    def _reaction(self, message_id: str, reaction: Reaction) -> Row:
        message = self.messages.get(message_id)
        return {
            "conversation_id": reaction.room_id,
            "created_at": reaction.given,
            "message_created_at": message.sent if message else None,
        }


def together(parts: Iterable[Expectations]) -> Expectations:
    """The expectations of several drivers, who never meet."""
    everything = Expectations()
    for part in parts:
        everything.people.update(part.people)
        everything.rooms.update(part.rooms)
        everything.stays.update(part.stays)
        everything.messages.update(part.messages)
        everything.marks.update(part.marks)
        everything.reactions.update(part.reactions)
        everything.redactions.update(part.redactions)
    return everything


def _user(person: Person) -> Row:
    # Synapse does not record when an account was deactivated.
    return {
        "username": person.name,
        "is_bot": person.is_bot,
        "created_at": person.registered,
        "deleted_at": None,
    }


def _conversation(room: Room) -> Row:
    return {"type": room.kind, "title": room.title, "created_at": room.created}


def _message(message: Message) -> Row:
    edit = message.edit
    length = message.length if edit is None else edit.length
    return {
        "conversation_id": message.room_id,
        "sender_id": message.sender_id,
        "message_type": message.message_type,
        "content_length": None if message.deleted else length,
        "created_at": message.sent,
        "edited_at": edit.made if edit else None,
        "deleted_at": message.deleted,
    }
