"""The numbers of how much is written agree with each other."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from olap.warehouse import Warehouse
from tests.effort import examples
from tests.metrics.filled import Filled, filled_with
from tests.metrics.oracle.volume import present
from tests.metrics.oracle.world import World
from tests.metrics.random_worlds import PARAMETERS, ROOMS, arguments, worlds

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


@st.composite
def questions(draw: st.DrawFn, /, metric: str, **fixed: Any) -> tuple[World, list[dict[str, Any]]]:
    """A world, and arguments of three calls of a metric."""
    world, pool = draw(worlds())
    return world, [draw(arguments(metric, world, pool, **fixed)) for _ in range(3)]


def value(filled: Filled, metric: str, column: str, asked: dict[str, Any]) -> Any:
    """The number in a metric's one row; 0 where there is no row."""
    known = {name: one for name, one in asked.items() if name in PARAMETERS[metric]}
    rows = filled.ask(metric, **known)
    return dict(rows[0])[column] if rows else 0


def total(filled: Filled, asked: dict[str, Any]) -> int:
    """The sum of a timeline."""
    return sum(dict(row)["count"] for row in filled.ask("message_timeline", **asked))


@settings(max_examples=examples(10), phases=PHASES)
@given(drawn=questions("message_timeline", for_conversation=None, for_type=None))
def test_the_timeline_of_a_person_sums_to_what_the_person_wrote(
    drawn: tuple[World, list[dict[str, Any]]], empty_warehouse: Warehouse
) -> None:
    """In any zone and for any viewer, the buckets of each person sum to messages_sent."""
    world, asked = drawn
    with filled_with(empty_warehouse, world) as filled:
        for one in asked:
            for user in world.users:
                theirs = one | {"for_user": user.id, "include_system": None}
                sent = value(filled, "user_activity", "messages_sent", theirs)
                # Who came into being after the period has no row there, and nothing to sum here.
                if filled.ask("user_activity", **_of_person(theirs)):
                    assert total(filled, theirs) == sent, theirs


@settings(max_examples=examples(10), phases=PHASES)
@given(drawn=questions("message_timeline", for_user=None))
def test_any_other_timeline_sums_to_all_messages(
    drawn: tuple[World, list[dict[str, Any]]], empty_warehouse: Warehouse
) -> None:
    """Of the site, a viewer, a conversation, a type: the buckets sum to total_messages, and
    without system messages to total_messages less system_messages."""
    world, asked = drawn
    with filled_with(empty_warehouse, world) as filled:
        for one in asked:
            messages = value(filled, "message_stats", "total_messages", one)
            system = value(filled, "message_stats", "system_messages", one)
            for include, expected in (
                (None, messages),
                (True, messages),
                (False, messages - system),
            ):
                assert total(filled, one | {"include_system": include}) == expected, one


@settings(max_examples=examples(10), phases=PHASES)
@given(drawn=questions("message_heatmap", visible_to=None, include_system=True))
def test_a_heatmap_sums_to_all_messages(
    drawn: tuple[World, list[dict[str, Any]]], empty_warehouse: Warehouse
) -> None:
    """The cells sum to total_messages; for a viewer, to those of the conversations of five people
    or more that they see."""
    world, asked = drawn
    with filled_with(empty_warehouse, world) as filled:
        for one in asked:
            cells = [dict(row) for row in filled.ask("message_heatmap", **one)]
            assert len(cells) == 168
            assert sum(cell["messages"] for cell in cells) == value(
                filled, "message_stats", "total_messages", one
            )
            for viewer in (user.id for user in world.users[:2]):
                seen = one | {"visible_to": viewer, "for_conversation": None}
                shown = sum(dict(row)["messages"] for row in filled.ask("message_heatmap", **seen))
                assert shown == sum(
                    value(filled, "message_stats", "total_messages", seen | {"for_conversation": r})
                    for r in ROOMS
                    if len(present(world, r)) >= 5
                )


@settings(max_examples=examples(10), phases=PHASES)
@given(drawn=questions("membership"))
def test_what_came_and_went_explains_what_is_there(
    drawn: tuple[World, list[dict[str, Any]]], empty_warehouse: Warehouse
) -> None:
    """A bucket has what the one before had, and what came, without what went."""
    world, asked = drawn
    columns = (
        ("accounts", "joined", "deleted"),
        ("memberships", "memberships_joined", "memberships_left"),
    )
    with filled_with(empty_warehouse, world) as filled:
        for one in asked:
            rows = [dict(row) for row in filled.ask("membership", **one)]
            for before, row in pairwise(rows):
                for there, came, went in columns[one["visible_to"] is not None :]:
                    assert row[there] == before[there] + row[came] - row[went], one


def test_hours_are_no_interval_of_membership(empty_warehouse: Warehouse) -> None:
    """An interval that makes no sense is an error that lists the others."""
    asked = {"since": datetime(2026, 1, 1), "until": datetime(2026, 1, 2), "every": "hourly"}
    with (
        filled_with(empty_warehouse, World(data_through=datetime(2026, 2, 1))) as filled,
        pytest.raises(duckdb.Error, match="unknown every: it is daily, weekly or monthly"),
    ):
        filled.ask("membership", **asked)


def _of_person(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in asked.items() if name in PARAMETERS["user_activity"]}
