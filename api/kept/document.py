"""How the OpenAPI document describes a thing in a body, which `api.kept.things` decodes.

Litestar would decode it twice, and return 500 for one that is nested too deeply.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)

from api.kept.cards import CARDS
from api.kept.things import CARDS_MAX, NAME_LENGTH_MAX, STATE, Kind, type_of

NAME: Final = "NewThing"

_TEXT: Final = Schema(type=OpenAPIType.STRING)
_NOTHING: Final = Schema(type=OpenAPIType.STRING, enum=[""])
_DATES: Final = Schema(
    any_of=[
        Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE),
        Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
        _NOTHING,
    ]
)
# What the text of a parameter must be, where its type is not a list of words.
_FORMS: Final = {
    "days": Schema(
        type=OpenAPIType.STRING, pattern="^([1-9]|[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-5])?$"
    ),
    "start": _DATES,
    "end": _DATES,
    "tz": Schema(
        any_of=[Schema(type=OpenAPIType.STRING, format="iana-time-zone"), _NOTHING],  # type: ignore[arg-type]
    ),
}


def thing_schemas() -> dict[str, Schema]:
    """A view or a dashboard in a body, and its parts, by their names."""
    thing = {
        "name": Schema(
            description="Control characters, and those that turn the direction of text, go.",
            type=OpenAPIType.STRING,
            min_length=1,
            max_length=NAME_LENGTH_MAX,
        ),
        "is_shared": Schema(
            description="Whether everybody reads it; only administrators share.",
            type=OpenAPIType.BOOLEAN,
        ),
        "state": _refer("NewState"),
    }
    cards = Schema(
        description="In order; a card may be there twice with different parameters.",
        type=OpenAPIType.ARRAY,
        items=_refer("NewCard"),
        min_items=1,
        max_items=CARDS_MAX,
    )
    card = {
        "card": Schema(type=OpenAPIType.STRING, enum=sorted(CARDS)),
        "width": Schema(type=OpenAPIType.INTEGER, enum=[1, 2, 3]),
        "parameters": _refer("NewParameters"),
    }
    return {
        NAME: Schema(one_of=[_refer("NewView"), _refer("NewDashboard")]),
        "NewView": _object({"kind": _one(Kind.VIEW), **thing}, required=["kind", "name"]),
        "NewDashboard": _object(
            {"kind": _one(Kind.DASHBOARD), **thing, "cards": cards},
            required=["kind", "name", "cards"],
        ),
        "NewState": _parameters(STATE),
        "NewCard": _object(card, required=["card", "width"]),
        "NewParameters": replace(
            _parameters(frozenset().union(*CARDS.values())),
            description="A card has those that its header on the page offers.",
        ),
    }


def _refer(name: str) -> Reference:
    return Reference(f"#/components/schemas/{name}")


def _parameters(names: Iterable[str]) -> Schema:
    """Texts by the names of parameters; the empty text is a choice of each."""
    wanted = frozenset(names)
    return _object({name: _form(name) for name in STATE if name in wanted}, required=[])


def _form(name: str) -> Schema:
    if name in _FORMS:
        return _FORMS[name]
    kind = type_of(name)
    words = [one.value for one in kind] if issubclass(kind, StrEnum) else ["true", "false"]
    return Schema(type=OpenAPIType.STRING, enum=[*words, ""])


def _one(word: str) -> Schema:
    return Schema(type=OpenAPIType.STRING, enum=[str(word)])


def _object(properties: dict[str, Any], *, required: list[str]) -> Schema:
    return Schema(
        type=OpenAPIType.OBJECT,
        properties=properties,
        required=required or None,
        additional_properties=False,
    )


_VERSION: Final = {
    "ETag": OpenAPIHeader(schema=_TEXT, description="the version, for `If-Match`"),
}


@dataclass
class OneThing(Operation):
    """An operation that answers with a thing: adds its version as a header."""

    def __post_init__(self) -> None:
        for status, answer in (self.responses or {}).items():
            if status.startswith("2") and isinstance(answer, OpenAPIResponse):
                answer.headers = dict(_VERSION)


@dataclass
class PutThing(OneThing):
    """The same for one whose body is a thing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.request_body = RequestBody(
            content={"application/json": OpenAPIMediaType(schema=_refer(NAME))}, required=True
        )
