"""A dashboard while it is edited, without a browser; and the cards as the API knows them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.kept.cards import CARDS
from api.kept.things import CARDS_MAX, NewThing, body_of
from tests.page.modules import Modules

DRAFT = "draft.js"
AT = {"id": "an id", "version": 2, "subject": "boss"}
INTERVAL = {
    "label": "Interval",
    "name": "interval",
    "value": "daily",
    "options": [{"value": "daily", "label": "daily"}, {"value": "weekly", "label": "weekly"}],
}


def card(name: str, width: int = 1, **parameters: str) -> dict[str, Any]:
    """A card of a dashboard."""
    return {"card": name, "width": width, "parameters": parameters}


def draft(*cards: dict[str, Any], name: str = "Mornings") -> dict[str, Any]:
    """The draft of a dashboard with these cards."""
    thing = {"name": name, "is_shared": False, "is_own": True, "cards": cards}
    found: dict[str, Any] = Modules(DRAFT).run("(thing, at) => draftOf(thing, at)", thing, AT)
    return found


def after(change: str, *cards: dict[str, Any]) -> list[dict[str, Any]]:
    """The cards of a draft after a change, without their keys."""
    function = f"(draft, choices) => bodyOf({change}, {{}}).cards"
    found: list[dict[str, Any]] = Modules(DRAFT).run(function, draft(*cards), [INTERVAL])
    return found


ONE, TWO, THREE = card("messages"), card("events", 3, interval="daily"), card("top_people", 2)


def test_each_card_has_a_key_of_its_own() -> None:
    """A card that stands there twice has two keys; a key stays when others go."""
    keys = "(draft) => draft.cards.map(({ key }) => key)"
    twice = draft(TWO, ONE, card("events"))
    assert Modules(DRAFT).run(keys, twice) == ["events", "messages", "events-2"]
    assert Modules(DRAFT).run(f"(draft) => ({keys})(removed(draft, 'events'))", twice) == [
        "messages",
        "events-2",
    ]
    assert Modules(DRAFT).run(
        f"(draft, choices) => ({keys})(added(removed(draft, 'events'), {{id: 'events'}}, choices))",
        twice,
        [INTERVAL],
    ) == ["messages", "events-2", "events"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("moved(draft, 'messages', 2)", [TWO, THREE, ONE]),
        ("moved(draft, 'top_people', 0)", [THREE, ONE, TWO]),
        ("moved(draft, 'events', 1)", [ONE, TWO, THREE]),
        ("moved(draft, 'gone', 1)", [ONE, TWO, THREE]),
        ("removed(draft, 'events')", [ONE, THREE]),
        ("resized(draft, 'events', 1)", [ONE, TWO | {"width": 1}, THREE]),
        ("adjusted(draft, 'events', 'interval', null)", [ONE, card("events", 3), THREE]),
        (
            "adjusted(draft, 'messages', 'interval', '')",
            [card("messages", interval=""), TWO, THREE],
        ),
        ("added(draft, {id: 'reading', width: 2}, [])", [ONE, TWO, THREE, card("reading", 2)]),
        ("added(draft, {id: 'engagement'}, [])", [ONE, TWO, THREE, card("engagement")]),
        ("added(draft, {id: 'messages'}, [])", [ONE, TWO, THREE]),
        ("added(draft, {id: 'events', width: 3}, choices)", [ONE, TWO, THREE, card("events", 3)]),
        (
            "added(added(draft, {id: 'events', width: 3}, choices), {id: 'events'}, choices)",
            [ONE, TWO, THREE, card("events", 3), card("events", interval="weekly")],
        ),
    ],
)
def test_what_can_be_done_to_a_draft(change: str, expected: list[dict[str, Any]]) -> None:
    """Cards are moved, removed, sized, given values of their own and added; one that is there
    already is added with the next choice, and not at all if there is none."""
    assert after(change, ONE, TWO, THREE) == expected


def test_a_draft_is_dirty_after_a_change() -> None:
    """A draft of what is kept is not, one of something new is, and every change makes it so."""
    run = Modules(DRAFT).run
    kept = draft(ONE)
    assert (kept["is_dirty"], kept["fault"]) == (False, "")
    assert run("(thing) => draftOf(thing, {version: 0}).is_dirty", {"name": "x", "cards": [ONE]})
    for change in ("renamed(draft, 'x')", "shared(draft, true)", "removed(draft, 'messages')"):
        assert run(f"(draft) => ({change}).is_dirty", kept)


@pytest.mark.parametrize(
    ("name", "cards", "fault"),
    [
        ("x", [ONE, TWO], ""),
        (" ", [ONE], "Give it a name."),
        ("x", [], "Choose at least one card."),
        ("x", [TWO, card("events", 1)], ""),
        ("x", [ONE, card("messages", 3)], "“MESSAGES” is there twice with the same choices."),
    ],
)
def test_what_cannot_be_saved(name: str, cards: list[dict[str, Any]], fault: str) -> None:
    """What the API would refuse is said before it is asked."""
    function = "(draft) => faultOf(draft, (id) => id.toUpperCase())"
    assert Modules(DRAFT).run(function, draft(*cards, name=name)) == fault


def test_a_draft_becomes_a_body_that_the_api_takes() -> None:
    """Name, cards and the part of the state that one keeps; not what is open, nor the colors."""
    state = "{...DEFAULTS, days: '7', compare: '', user_id: '1', theme: 'dark', dashboard: 'x'}"
    body = Modules(DRAFT, "state.js").run(
        f"(draft) => bodyOf(draft, {state})", draft(ONE, TWO, name=" Mornings ")
    )
    assert body == {
        "kind": "dashboard",
        "name": "Mornings",
        "is_shared": False,
        "state": {"days": "7", "compare": ""},
        "cards": [ONE, TWO],
    }
    assert body_of(msgspec.convert(body, NewThing)).state == body["state"]


@pytest.mark.parametrize(
    ("text", "is_thing"),
    [
        ('{"kind": "view", "name": "x"}', True),
        ('{"kind": "dashboard", "name": "x", "cards": [], "id": "1", "owner": "y"}', True),
        ('{"kind": "report", "name": "x"}', False),
        ('{"kind": "view"}', False),
        ("[]", False),
        ("null", False),
        ("no JSON", False),
    ],
)
def test_what_of_a_file_is_a_thing(text: str, is_thing: bool) -> None:
    """A file is read by its form; what belongs to somebody else's thing is left out."""
    found = Modules(DRAFT).run("(text) => thingOfFile(text)", text)
    assert (found is not None) is is_thing
    if is_thing:
        assert set(found) <= {"kind", "name", "is_shared", "state", "cards"}
        assert found["is_shared"] is False


def test_the_api_knows_the_cards_of_the_page() -> None:
    """The list of the API has exactly the pieces of the page, with the parameters that each offers
    in its header; a dashboard may have all of them."""
    view = """{
      state: read(""), interval: "daily", zone: "UTC", role: "admin", period: {},
      generation: { data_through: "2026-11-26T12:00:00Z", not_available: [], zones: ["UTC"] },
      lastDays: () => ({}), format: {}, live: {}, change: () => {},
    }"""
    found = Modules("pieces_by_id.js", "state.js").run(
        f"""() => PIECES.map((piece) =>
          [piece.id, choicesOf(piece, {view}).map(({{ name }}) => name)])"""
    )
    assert {id_: frozenset(names) for id_, names in found} == CARDS
    assert len(found) == len(CARDS) <= CARDS_MAX
