"""An event: what a client may send, and the row that it becomes.

The row is encoded as JSON once; the insert, the queue and the feed use these bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import msgspec
from msgspec import Meta

from olap.ids import STRING_LENGTH_MAX, Id, IdType, IdTypes, parse_id

METADATA_BYTES_MAX = 8192
_NESTING_MAX = 100
EVENTS_MAX = 1000


class EventType(StrEnum):
    """The types of events in the messenger."""

    MESSAGE_SENT = "message.sent"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    MESSAGE_READ = "message.read"
    USER_ONLINE = "user.online"
    USER_OFFLINE = "user.offline"
    CONVERSATION_CREATED = "conversation.created"
    CONVERSATION_JOINED = "conversation.joined"
    CONVERSATION_LEFT = "conversation.left"
    FILE_UPLOADED = "file.uploaded"


# How JSON writes an id of each type; in JSON 7.0 is an integer as well.
_JSON_TYPES: dict[IdType, Any] = {
    IdType.INTEGER: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float | None,
    IdType.UUID: UUID | None,
    IdType.STRING: Annotated[str, Meta(min_length=1, max_length=STRING_LENGTH_MAX)] | None,
}
# The fields of an event that are ids, and of what.
_ID_KINDS = {"id": "event", "user_id": "user", "conversation_id": "conversation"}
# The decoder knows the types of ids, which are those of the mapping.
if TYPE_CHECKING:
    JsonId = Id | float
else:
    JsonId = Any


class Event(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Something that happened in the messenger.

    Attributes:
        event_type: what happened.
        id: set by the client, so that a retry is harmless; a uuid is generated if it is missing.
        user_id: the user.
        conversation_id: the conversation.
        metadata: details, at most 8 KB of JSON; they stay in PostgreSQL.
    """

    event_type: EventType
    id: JsonId | None = None
    user_id: JsonId | None = None
    conversation_id: JsonId | None = None
    metadata: dict[str, Any] = {}

    def __post_init__(self) -> None:
        for name in _ID_KINDS:
            value = getattr(self, name)
            if isinstance(value, float):
                setattr(self, name, _whole(name, value))


def _whole(name: str, value: float) -> int:
    # Beyond 2^53 one float represents several integers.
    if not value.is_integer() or abs(value) > 2**53:
        raise ValueError(f"{name} is not a whole number")
    return int(value)


class UnusableError(ValueError):
    """The body is not an event or a list of events; `where` names the part, `fault` the reason."""

    def __init__(self, where: str, fault: str) -> None:
        super().__init__(f"{where} {fault}")
        self.where = where
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Row:
    """An event as it is stored: its id as text, and the whole row as one JSON object."""

    id: str
    content: bytes


_encode = msgspec.json.Encoder().encode
_TOO_DEEP = f"is nested more than {_NESTING_MAX} levels deep"


@cache
def _decoder(ids: IdTypes) -> msgspec.json.Decoder[Event | list[Event]]:
    """Decodes one event or a list of them, with ids of these types."""
    typed = msgspec.defstruct(
        "Event",
        [(name, _JSON_TYPES[ids.of(kind)], None) for name, kind in _ID_KINDS.items()],
        bases=(Event,),
        forbid_unknown_fields=True,
        kw_only=True,
    )
    return msgspec.json.Decoder(typed | list[typed])  # type: ignore[valid-type]


def read_events(body: bytes, ids: IdTypes) -> list[Event]:
    """The events of a request's body: one object, or a list of 1 to 1,000.

    Args:
        ids: the types of the messenger's ids.

    Raises:
        UnusableError: it is neither.
    """
    try:
        found = _decoder(ids).decode(body)
    except msgspec.ValidationError as error:
        # "Expected `int`, got `str` - at `$[3].user_id`"
        fault, _, path = str(error).partition(" - at `")
        raise UnusableError(_name_of(path.rstrip("`")), f"cannot be used: {fault}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnusableError("body", f"is not JSON: {error}") from None
    except RecursionError:
        raise UnusableError("body", "is nested too deeply") from None
    events = found if isinstance(found, list) else [found]
    if not 1 <= len(events) <= EVENTS_MAX:
        raise UnusableError("body", f"must have 1 to {EVENTS_MAX} events, and has {len(events)}")
    _require_ids(events, ids, is_list=events is found)
    return events


def _require_ids(events: list[Event], ids: IdTypes, *, is_list: bool) -> None:
    """Require an id where none can be generated, and texts that the rest of the API accepts.

    A number cannot be generated: the messenger alone knows which are free, and an event with the
    number of another one would be lost as its repetition.
    """
    needs_id = ids.event is IdType.INTEGER
    texts = [name for name, kind in _ID_KINDS.items() if ids.of(kind) is IdType.STRING]
    if not needs_id and not texts:
        return
    for number, event in enumerate(events):
        where = f"[{number}]." if is_list else ""
        if needs_id and event.id is None:
            raise UnusableError(f"{where}id", "is missing: give the whole number of the event")
        for name in texts:
            text = getattr(event, name)
            try:
                if text is not None:
                    parse_id(IdType.STRING, text)
            except ValueError as error:
                raise UnusableError(f"{where}{name}", str(error)) from None


def rows_of(
    events: list[Event], created_at: datetime, new_id: Callable[[], UUID] = uuid4
) -> list[Row]:
    """The rows of these events.

    Args:
        created_at: when the API received them, aware; the same for all events of a request.

    Raises:
        UnusableError: the metadata of one is too long, or contains what PostgreSQL cannot store.
    """
    stamp = created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    rows = []
    for number, event in enumerate(events):
        where = f"[{number}].metadata" if len(events) > 1 else "metadata"
        identity = str(new_id() if event.id is None else event.id)
        content = {
            "id": identity,
            "event_type": event.event_type,
            "user_id": event.user_id,
            "conversation_id": event.conversation_id,
            "metadata": msgspec.Raw(_metadata(event.metadata, where)),
            "created_at": stamp,
        }
        rows.append(Row(identity, _encode(content)))
    return rows


def with_text_ids_of_event(content: bytes) -> bytes:
    """An event as JSON with its ids as texts, and everything else as it is."""
    event = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    for name in _ID_KINDS.keys() & event.keys():
        value = bytes(event[name])
        if value[:1] in b"-0123456789":
            event[name] = msgspec.Raw(b'"%b"' % value)
    return _encode(event)


def _metadata(metadata: dict[str, Any], where: str) -> bytes:
    try:
        encoded = _encode(metadata)
    except RecursionError:
        raise UnusableError(where, _TOO_DEEP) from None
    if len(encoded) > METADATA_BYTES_MAX:
        raise UnusableError(where, f"is longer than {METADATA_BYTES_MAX} bytes: {len(encoded)}")
    # Most metadata have neither: a few brackets, and no such characters.
    may_be_deep = encoded.count(b"{") + encoded.count(b"[") > _NESTING_MAX
    if (may_be_deep or b"\\u0000" in encoded) and (fault := _fault(metadata)) is not None:
        raise UnusableError(where, fault)
    return encoded


def _fault(metadata: dict[str, Any]) -> str | None:
    """Why these metadata cannot be stored, at any depth: without recursion, which has a limit."""
    waiting: list[tuple[Any, int]] = [(metadata, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            if "\0" in value:
                return "contains the character NUL, which PostgreSQL cannot store"
        elif isinstance(value, dict | list):
            if depth > _NESTING_MAX:
                return _TOO_DEEP
            parts = value if isinstance(value, list) else (*value.keys(), *value.values())
            waiting += [(part, depth + 1) for part in parts]
    return None


def _name_of(path: str) -> str:
    """`[3].user_id` from msgspec's `$[3].user_id`; the whole body is `body`."""
    return path.removeprefix("$").removeprefix(".") or "body"
