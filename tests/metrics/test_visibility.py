"""What a viewer may not see changes nothing they see, and looks as if it did not exist."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from olap.warehouse import Warehouse
from tests.effort import examples
from tests.metrics.filled import filled_with
from tests.metrics.oracle import world as oracle
from tests.metrics.random_worlds import (
    PARAMETERS,
    PEOPLE,
    ROOMS,
    arguments,
    arguments_of,
    worlds,
)

UNKNOWN_USER, UNKNOWN_ROOM = 99, ROOMS[-1]


def rooms_of(world: oracle.World, viewer: int) -> set[Any]:
    """The conversations in which a user is present; none if they are deleted or not there."""
    return oracle.Visibility(world, viewer, include_bots=True).rooms


def without_the_rest(world: oracle.World, viewer: int) -> oracle.World:
    """The world without anything outside a viewer's conversations."""
    rooms = rooms_of(world, viewer)
    messages = [m for m in world.messages if m.conversation_id in rooms]
    kept = {m.id for m in messages}
    members = {p.user_id for p in world.participants if p.conversation_id in rooms} | {viewer}
    return replace(
        world,
        # Former members are known by their rows alone, but whether they are bots matters.
        users=[u for u in world.users if u.id in members or u.is_bot],
        conversations=[c for c in world.conversations if c.id in rooms],
        participants=[p for p in world.participants if p.conversation_id in rooms],
        messages=messages,
        receipts=[r for r in world.receipts if r.message_id in kept],
        reactions=[r for r in world.reactions if r.message_id in kept],
        marks=[m for m in world.marks if m.conversation_id in rooms],
        events=[
            e
            for e in world.events
            if e.conversation_id in rooms or (e.conversation_id is None and e.user_id == viewer)
        ],
    )


@st.composite
def scopes(
    draw: st.DrawFn,
) -> tuple[oracle.World, list[int], dict[int, list[tuple[str, dict[str, Any]]]]]:
    """A world, two viewers, and a call of each metric by each viewer."""
    world, pool = draw(worlds())
    viewers = draw(st.lists(st.sampled_from(PEOPLE), min_size=2, max_size=2, unique=True))
    return (
        world,
        viewers,
        {
            viewer: [
                (metric, draw(arguments(metric, world, pool, visible_to=viewer)))
                for metric in PARAMETERS
            ]
            for viewer in viewers
        },
    )


PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


@settings(max_examples=examples(10), phases=PHASES)
@given(scope=scopes())
def test_data_elsewhere_change_nothing(scope: Any, empty_warehouse: Warehouse) -> None:
    """Removing everything outside a viewer's conversations changes no row that they see."""
    world, viewers, questions = scope
    with filled_with(empty_warehouse, world) as filled:
        whole = {v: [filled.ask(m, **a) for m, a in questions[v]] for v in viewers}
    for viewer in viewers:
        with filled_with(empty_warehouse, without_the_rest(world, viewer)) as filled:
            part = [filled.ask(m, **a) for m, a in questions[viewer]]
        for (metric, asked), answer, other in zip(
            questions[viewer], whole[viewer], part, strict=True
        ):
            assert answer == other, (metric, asked)


@settings(max_examples=examples(10), phases=PHASES)
@given(scope=scopes())
def test_hidden_equals_unknown(scope: Any, empty_warehouse: Warehouse) -> None:
    """A hidden conversation or user returns the same as an unknown id."""
    world, viewers, questions = scope
    compared = 0
    with filled_with(empty_warehouse, world) as filled:
        for viewer in viewers:
            rooms, visible = rooms_of(world, viewer), oracle.Visibility(world, viewer, True)
            hidden: dict[str, tuple[list[Any], Any]] = {
                "for_conversation": ([r for r in ROOMS[:-1] if r not in rooms], UNKNOWN_ROOM),
                "for_user": ([p for p in PEOPLE if not visible.sees_person(p)], UNKNOWN_USER),
            }
            for metric, asked in questions[viewer]:
                for name, (ids, nothing) in hidden.items():
                    if name not in PARAMETERS[metric]:
                        continue
                    expected = filled.ask(metric, **(asked | {name: nothing}))
                    for one in ids[:2]:
                        assert filled.ask(metric, **(asked | {name: one})) == expected
                        compared += 1
    assert compared or all(len(rooms_of(world, v)) == 4 for v in viewers)


LEFT = oracle.World(
    data_through=datetime(2026, 3, 2),
    users=[oracle.User(n, "ann", False, datetime(2026, 1, 1), None) for n in (1, 2)],
    conversations=[oracle.Conversation(ROOMS[0], "group", "room", datetime(2026, 1, 1))],
    participants=[
        oracle.Participant(ROOMS[0], 1, datetime(2026, 1, 1), None),
        oracle.Participant(ROOMS[0], 2, datetime(2026, 1, 1), datetime(2026, 2, 1)),
    ],
    messages=[oracle.Message(1, datetime(2026, 1, 9), ROOMS[0], 2, "text", 5, None)],
    receipts=[oracle.Receipt(1, 2, datetime(2026, 1, 10))],
)
ASKED = {"since": datetime(2026, 1, 1), "visible_to": 1}


def test_former_members_are_counted_and_not_found(empty_warehouse: Warehouse) -> None:
    """Their messages count for members; asked for by id, they look like an unknown user."""
    with filled_with(empty_warehouse, LEFT) as filled:
        (all_of_it,) = filled.ask("message_stats", **ASKED)
        assert dict(all_of_it)["total_messages"] == dict(all_of_it)["unique_senders"] == 1
        assert filled.ask("top_senders", **ASKED) == []
        assert filled.ask("user_activity", **ASKED, for_user=2) == []
        for room in ({}, {"for_conversation": ROOMS[0]}):
            (stats,) = filled.ask("message_stats", **ASKED, **room, for_user=2)
            assert dict(stats)["total_messages"] == 0
            timeline = filled.ask("message_timeline", **ASKED, **room, for_user=2)
            assert {dict(bucket)["count"] for bucket in timeline} == {0}
        (unrestricted,) = filled.ask("message_stats", since=ASKED["since"], for_user=2)
        assert dict(unrestricted)["total_messages"] == 1


@pytest.mark.parametrize("fate", ["deleted", "gone"])
def test_a_deleted_viewer_sees_nothing(empty_warehouse: Warehouse, fate: str) -> None:
    """A viewer whom the messenger has deleted, or does not have any more, sees what an unknown user
    sees: no conversation, no person, not even themself, and no event of their own."""
    users = {
        "deleted": [replace(LEFT.users[0], deleted_at=datetime(2026, 2, 1)), LEFT.users[1]],
        "gone": LEFT.users[1:],
    }[fate]
    event = oracle.Event(datetime(2026, 1, 11), "user.online", None, 1)
    asked = {metric: arguments_of(metric, ASKED) for metric in PARAMETERS}
    as_unknown = {metric: a | {"visible_to": UNKNOWN_USER} for metric, a in asked.items()}
    with filled_with(empty_warehouse, replace(LEFT, events=[event])) as filled:
        before = [filled.ask(metric, **given) for metric, given in asked.items()]
    with filled_with(empty_warehouse, replace(LEFT, users=users, events=[event])) as filled:
        for number, (metric, given) in enumerate(asked.items()):
            nothing = filled.ask(metric, **as_unknown[metric])
            assert filled.ask(metric, **given) == nothing, metric
            assert metric in SEES_NOTHING_OF_LEFT or before[number] != nothing, metric


# A member sees of LEFT as little as a stranger: it has no marks and no reactions, and the other
# person has left.
SEES_NOTHING_OF_LEFT = (
    *("top_senders", "top_reactions", "unread", "read_through"),
    *("message_heatmap", "people_heatmap", "retention"),
    # LEFT has fewer than five people.
    *("reply_times_by_conversation", "response_matrix"),
)
