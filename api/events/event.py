"""One event: what a client may say of it, and the row that it becomes.

The row is JSON, made once; the insert, the queue and the feed all take these bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import msgspec
from msgspec import Meta

from api.client import AnalyticsEventType
from olap.tables import MESSENGER_IDS, IdType

METADATA_BYTES_MAX = 8192
EVENTS_MAX = 1000

# How an id of the source's type is written in JSON, where 7.0 is an integer, too.
_JSON_TYPES: dict[IdType, Any] = {
    IdType.INTEGER: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float,
    IdType.UUID: UUID,
    IdType.STRING: Annotated[str, Meta(min_length=1, max_length=255)],
}
if TYPE_CHECKING:
    UserId = int | float | UUID | str
    ConversationId = int | float | UUID | str
else:
    UserId = _JSON_TYPES[MESSENGER_IDS["user"]]
    ConversationId = _JSON_TYPES[MESSENGER_IDS["conversation"]]


class Event(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Something that happened in the messenger.

    Attributes:
        event_type: what happened.
        id: made by the client, so that a retry is harmless; without it one is made here.
        user_id: whom it concerns.
        conversation_id: where it happened.
        metadata: more about it, at most 8 KB of JSON; it stays in PostgreSQL.
    """

    event_type: AnalyticsEventType
    id: UUID | None = None
    user_id: UserId | None = None
    conversation_id: ConversationId | None = None
    metadata: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if isinstance(self.user_id, float):
            self.user_id = _whole("user_id", self.user_id)
        if isinstance(self.conversation_id, float):
            self.conversation_id = _whole("conversation_id", self.conversation_id)


def _whole(name: str, value: float) -> int:
    # Beyond 2^53 a float stands for several integers.
    if not value.is_integer() or abs(value) > 2**53:
        raise ValueError(f"{name} is no whole number")
    return int(value)


class UnusableError(ValueError):
    """The body is not one event or a list of them; `where` names the part, `fault` says why."""

    def __init__(self, where: str, fault: str) -> None:
        super().__init__(f"{where} {fault}")
        self.where = where
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Row:
    """An event as it is stored: its uuid, and the whole as one JSON object."""

    id: str
    content: bytes


_decode = msgspec.json.Decoder(Event | list[Event]).decode
_encode = msgspec.json.Encoder().encode


def read_events(body: bytes) -> list[Event]:
    """The events of a request's body: one object, or a list of 1 to 1,000.

    Raises:
        UnusableError: it is neither.
    """
    try:
        found = _decode(body)
    except msgspec.ValidationError as error:
        # "Expected `int`, got `str` - at `$[3].user_id`"
        fault, _, path = str(error).partition(" - at `")
        raise UnusableError(_name_of(path.rstrip("`")), f"cannot be used: {fault}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnusableError("body", f"is no JSON: {error}") from None
    except RecursionError:
        raise UnusableError("body", "is nested too deeply") from None
    events = found if isinstance(found, list) else [found]
    if not 1 <= len(events) <= EVENTS_MAX:
        raise UnusableError("body", f"must have 1 to {EVENTS_MAX} events, and has {len(events)}")
    return events


def rows_of(
    events: list[Event], created_at: datetime, new_id: Callable[[], UUID] = uuid4
) -> list[Row]:
    """The rows that these events become.

    Args:
        created_at: when the API got them, aware; all of a request get the same time.

    Raises:
        UnusableError: the metadata of one are too long, or hold what PostgreSQL cannot store.
    """
    stamp = created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    rows = []
    for number, event in enumerate(events):
        where = f"[{number}].metadata" if len(events) > 1 else "metadata"
        identity = str(event.id or new_id())
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


def _metadata(metadata: dict[str, Any], where: str) -> bytes:
    encoded = _encode(metadata)
    if len(encoded) > METADATA_BYTES_MAX:
        raise UnusableError(where, f"is longer than {METADATA_BYTES_MAX} bytes: {len(encoded)}")
    # The six characters may also be an escaped backslash before the text "u0000".
    if b"\\u0000" in encoded and _has_nul(metadata):
        raise UnusableError(where, "holds the character NUL, which PostgreSQL cannot store")
    return encoded


def _has_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_has_nul(part) for item in value.items() for part in item)
        case list():
            return any(_has_nul(part) for part in value)
    return False


def _name_of(path: str) -> str:
    """`[3].user_id` out of msgspec's `$[3].user_id`; the whole is the body."""
    return path.removeprefix("$").removeprefix(".") or "body"
