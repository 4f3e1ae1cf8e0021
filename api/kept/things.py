"""Things: what a view and a dashboard may contain, and how a body becomes one.

The values of a state are texts, as in the URL of the page; each is validated by the parameter of
the API that it becomes, and all of them together as the period of a question. An empty text is a
choice too: `compare` is empty where nothing is compared.

What a version does not know is refused in what is new. A card that a thing has already stays in it,
so that a change after a downgrade loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args, get_origin
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from msgspec import UNSET, Meta, UnsetType

from api.kept.cards import CARDS
from api.parameters import Bots, Compare, Days30UpTo365, End, Interval, SortBy, Start, Tz
from api.periods import period
from api.problems import Problem, bad_parameter

BODY_BYTES_MAX: Final = 16_384
NAME_LENGTH_MAX: Final = 100
# The page asks for a batch of 32 questions at once.
CARDS_MAX: Final = 32
DAYS_MAX: Final = 365

# The parameters of a state, by the type that their text must spell.
STATE: Final[Mapping[str, Any]] = {
    "days": Days30UpTo365,
    "start": Start,
    "end": End,
    "compare": Compare,
    "tz": Tz,
    "interval": Interval,
    "include_bots": Bots,
    "include_direct": bool,
    "sort_by": SortBy,
}
# Control characters, and those that turn the direction of the text around them.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Kind(StrEnum):
    """What people keep."""

    VIEW = "view"
    DASHBOARD = "dashboard"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card in a dashboard.

    Attributes:
        card: which one.
        width: of three columns.
        parameters: its own values, in place of those of the state.
    """

    card: str
    width: int
    parameters: dict[str, str] = {}


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a thing that is kept as JSON."""

    state: dict[str, str] = {}
    cards: list[Card] | UnsetType = UNSET


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A view or a dashboard.

    Attributes:
        id: made by the client that created it.
        kind: what it is.
        name: chosen by its owner.
        is_shared: whether everybody reads it.
        is_own: whether it belongs to the caller.
        version: 1 at first, and one more with each change; also the ETag.
        changed_at: when this version was made.
        state: what the page shows, as its URL has it; what is missing is the page's default.
        cards: of a dashboard, in order.
    """

    id: UUID
    kind: Kind
    name: str
    is_shared: bool
    is_own: bool
    version: int
    changed_at: datetime
    state: dict[str, str]
    cards: list[Card] | UnsetType = UNSET


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A dashboard that comes with this version, to copy.

    Attributes:
        id: its name in URLs of the page.
    """

    id: str
    kind: Kind
    name: str
    state: dict[str, str]
    cards: list[Card] | UnsetType = UNSET


class _NewCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    card: Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX)]
    width: Literal[1, 2, 3]
    parameters: dict[str, str] = {}


class NewThing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A thing in the body of a request, or in a file: what of it the client decides."""

    kind: Kind
    name: Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX)]
    is_shared: bool = False
    state: dict[str, str] = {}
    cards: Annotated[list[_NewCard], Meta(min_length=1, max_length=CARDS_MAX)] | UnsetType = UNSET


_decoder = msgspec.json.Decoder(NewThing)


def read_thing(body: bytes) -> NewThing:
    """The thing in a body; its state and cards are not validated yet.

    Raises:
        Problem: 400, it names the part that cannot be used.
    """
    try:
        found = _decoder.decode(body)
    except msgspec.ValidationError as error:
        # "Expected `int`, got `str` - at `$.cards[3].width`"
        fault, _, path = str(error).partition(" - at `$")
        where = path.rstrip("`").removeprefix(".") or "body"
        raise bad_parameter(where, f"cannot be used: {fault}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_parameter("body", f"is not JSON: {error}") from None
    except RecursionError:
        raise bad_parameter("body", "is nested too deeply") from None
    if (found.kind is Kind.DASHBOARD) != (found.cards is not UNSET):
        has = "is missing: a dashboard has cards" if found.cards is UNSET else "is for dashboards"
        raise bad_parameter("cards", has)
    name = _UNSEEN.sub("", found.name).strip()
    if not name:
        raise bad_parameter("name", "has no characters that can be seen")
    return msgspec.structs.replace(found, name=name)


def body_of(new: NewThing, before: Sequence[Card] = ()) -> Body:
    """What of a thing is kept as JSON, in the spelling of the API.

    Args:
        before: the cards that the thing has already.

    Raises:
        Problem: 400, it names the part that cannot be used.
    """
    state = _canonical(new.state, frozenset(STATE), "state")
    _require_period(state)
    if isinstance(new.cards, UnsetType):
        return Body(state=state)
    cards: list[Card] = []
    for number, card in enumerate(new.cards):
        where = f"cards[{number}]"
        kept = Card(card=card.card, width=card.width, parameters=card.parameters)
        if not any(_is_same(kept, one) for one in before):
            if card.card not in CARDS:
                raise bad_parameter(f"{where}.card", "is no card of this version")
            own = _canonical(card.parameters, CARDS[card.card], f"{where}.parameters")
            kept = msgspec.structs.replace(kept, parameters=own)
        if any(_is_same(kept, one) for one in cards):
            raise bad_parameter(where, "is there already, with the same parameters")
        cards.append(kept)
    return Body(state=state, cards=cards)


def _is_same(one: Card, other: Card) -> bool:
    return one.card == other.card and one.parameters == other.parameters


def _canonical(given: Mapping[str, str], names: frozenset[str], where: str) -> dict[str, str]:
    """Parameters as the API spells them, in the order of `STATE`.

    Raises:
        Problem: 400, it names the parameter.
    """
    unknown = sorted(given.keys() - names)
    if unknown:
        has = f"has {', '.join(sorted(names))}" if names else "has none"
        raise bad_parameter(f"{where}.{unknown[0]}", f"is not one of the parameters: it {has}")
    found = {}
    for name in STATE:
        if name in given:
            try:
                found[name] = given[name] and _spelled(name, given[name])
            except msgspec.ValidationError as error:
                raise bad_parameter(f"{where}.{name}", f"cannot be used: {error}") from None
    return found


def _spelled(name: str, text: str) -> str:
    """The text of a parameter as the API spells its value.

    Raises:
        msgspec.ValidationError: it spells no value.
    """
    value = msgspec.convert(text, _type_with_limits(name), strict=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def type_of(name: str) -> type:
    """What the text of a parameter spells."""
    declared = STATE[name]
    kind = get_args(declared)[0] if get_origin(declared) is Annotated else declared
    (found,) = (one for one in get_args(kind) or (kind,) if one is not NoneType)
    assert isinstance(found, type)
    return found


@cache
def _type_with_limits(name: str) -> Any:
    """The same with the limits of the parameter, as msgspec has them."""
    marks = (one for one in get_args(STATE[name]) if isinstance(one, QueryParameter))
    limits = [Meta(ge=mark.ge, le=mark.le) for mark in marks if mark.le is not None]
    return Annotated[type_of(name), *limits] if limits else type_of(name)


def _require_period(state: Mapping[str, str]) -> None:
    """Require a state whose parts about time can be asked for together.

    Raises:
        Problem: 400, it names the parameter.
    """
    days = state.get("days")
    try:
        period(
            days=int(days) if days else None,
            start=state.get("start") or None,
            end=state.get("end") or None,
            tz=state.get("tz") or "UTC",
            default=30,
            days_max=DAYS_MAX,
        )
    except Problem as problem:
        name = str(dict(problem.extra or {})["parameter"])
        raise bad_parameter(f"state.{name}", problem.detail.removeprefix(f"{name} ")) from None
