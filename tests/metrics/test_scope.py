"""What a viewer may not see changes none of his answers, and cannot be told from what is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from olap.warehouse import Warehouse
from tests.effort import examples
from tests.metrics import oracle
from tests.metrics.ground import ground_of
from tests.metrics.worlds import PARAMETERS, PEOPLE, ROOMS, arguments, worlds

NOBODY, NOWHERE = 99, ROOMS[-1]


def rooms_of(world: oracle.World, viewer: int) -> set[Any]:
    """The conversations in which somebody is present."""
    return {
        p.conversation_id
        for p in world.participants
        if p.user_id == viewer and p.is_present(world.data_through)
    }


def without_the_rest(world: oracle.World, viewer: int) -> oracle.World:
    """The world with nothing in it that lies outside a viewer's conversations."""
    rooms = rooms_of(world, viewer)
    messages = [m for m in world.messages if m.conversation_id in rooms]
    kept = {m.id for m in messages}
    members = {p.user_id for p in world.participants if p.conversation_id in rooms} | {viewer}
    return replace(
        world,
        # Whoever only wrote there is known by his rows alone, but whether he is a bot counts.
        users=[u for u in world.users if u.id in members or u.is_bot],
        conversations=[c for c in world.conversations if c.id in rooms],
        participants=[p for p in world.participants if p.conversation_id in rooms],
        messages=messages,
        receipts=[r for r in world.receipts if r.message_id in kept],
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
    """A world, two viewers, and a question of each to each metric."""
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
def test_data_elsewhere_change_no_answer(scope: Any, empty_warehouse: Warehouse) -> None:
    """Taking away all that is outside a viewer's conversations leaves all his answers as they are.

    The two worlds are each the other with data added or removed.
    """
    world, viewers, questions = scope
    with ground_of(empty_warehouse, world) as ground:
        whole = {v: [ground.ask(m, **a) for m, a in questions[v]] for v in viewers}
    for viewer in viewers:
        with ground_of(empty_warehouse, without_the_rest(world, viewer)) as ground:
            part = [ground.ask(m, **a) for m, a in questions[viewer]]
        for (metric, asked), answer, other in zip(
            questions[viewer], whole[viewer], part, strict=True
        ):
            assert answer == other, (metric, asked)


@settings(max_examples=examples(10), phases=PHASES)
@given(scope=scopes())
def test_hidden_is_as_if_it_were_not(scope: Any, empty_warehouse: Warehouse) -> None:
    """A conversation or person out of sight gets the answer of an id that nobody has."""
    world, viewers, questions = scope
    compared = 0
    with ground_of(empty_warehouse, world) as ground:
        for viewer in viewers:
            rooms, asker = rooms_of(world, viewer), oracle.Asker(world, viewer, True)
            hidden: dict[str, tuple[list[Any], Any]] = {
                "for_conversation": ([r for r in ROOMS[:-1] if r not in rooms], NOWHERE),
                "for_user": ([p for p in PEOPLE if not asker.sees_person(p)], NOBODY),
            }
            for metric, asked in questions[viewer]:
                for name, (ids, nothing) in hidden.items():
                    if name not in PARAMETERS[metric]:
                        continue
                    expected = ground.ask(metric, **(asked | {name: nothing}))
                    for one in ids[:2]:
                        assert ground.ask(metric, **(asked | {name: one})) == expected
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


def test_who_left_is_counted_and_not_found(empty_warehouse: Warehouse) -> None:
    """His message counts for those who stayed; asked for by id, he is as one who never was."""
    with ground_of(empty_warehouse, LEFT) as ground:
        (all_of_it,) = ground.ask("message_stats", **ASKED)
        assert dict(all_of_it)["total_messages"] == dict(all_of_it)["unique_senders"] == 1
        assert ground.ask("top_senders", **ASKED) == []
        assert ground.ask("user_activity", **ASKED, for_user=2) == []
        for room in ({}, {"for_conversation": ROOMS[0]}):
            (stats,) = ground.ask("message_stats", **ASKED, **room, for_user=2)
            assert dict(stats)["total_messages"] == 0
            timeline = ground.ask("message_timeline", **ASKED, **room, for_user=2)
            assert {dict(bucket)["count"] for bucket in timeline} == {0}
        (himself,) = ground.ask("message_stats", since=ASKED["since"], for_user=2)
        assert dict(himself)["total_messages"] == 1
