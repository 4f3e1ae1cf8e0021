"""Who comes, stays and comes back: local days at changes of the clock, and what must add up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from olap.warehouse import Warehouse
from tests.metrics import oracle
from tests.metrics.filled import Filled, expected, filled_with
from tests.metrics.oracle.world import (
    Conversation,
    Message,
    Participant,
    Receipt,
    User,
    World,
)
from tests.metrics.question_grid import ZERO
from tests.metrics.random_worlds import ROOMS, arguments_of

DAY = timedelta(days=1)
BY_BUCKETS = ("active_timeline", "lifecycle", "retention")
# Changes of the clock: at midnight, by 30 minutes, at a minute past the hour.
CHANGES = {
    "Europe/Berlin": datetime(2026, 3, 29, 1),
    "America/St_Johns": datetime(2026, 11, 1, 4, 30),
    "Asia/Kathmandu": datetime(2026, 3, 28, 18, 15),
    "Australia/Lord_Howe": datetime(2026, 10, 3, 15, 30),
    "Africa/Cairo": datetime(2026, 4, 23, 22),
    "Antarctica/Casey": datetime(2021, 10, 2, 16, 1),
}


def crowded(change: datetime, tz: str) -> World:
    """Nine people, one of them a bot and one deleted, who write and read for 45 days, most of it
    within two days of a change of the clock and around midnights."""
    draw = random.Random(tz)
    long_ago = change - 99 * DAY
    people = range(1, 10)

    def instant() -> datetime:
        if draw.random() < 0.5:
            near = timedelta(minutes=draw.randrange(-2880, 2880), microseconds=draw.randrange(2))
            return change + near
        return change + timedelta(minutes=15 * draw.randrange(-96 * 32, 96 * 12))

    return World(
        data_through=change + 12 * DAY + timedelta(minutes=7),
        users=[User(n, "ann", n == 8, long_ago, change - DAY if n == 9 else None) for n in people],
        conversations=[Conversation(room, "group", None, long_ago) for room in ROOMS[:2]],
        participants=[
            Participant(room, n, long_ago, None) for room in ROOMS[:2] for n in people if n != 4
        ],
        messages=[
            Message(n, instant(), draw.choice(ROOMS[:3]), draw.choice(people), "text", 1, None)
            for n in range(120)
        ],
        receipts=[
            Receipt(n, user, instant()) for n in range(60) for user in draw.sample(people, 2)
        ],
    )


@pytest.mark.parametrize("tz", CHANGES)
def test_local_days_around_a_change_of_the_clock(tz: str, empty_warehouse: Warehouse) -> None:
    """In zones with 30 and 45 minutes, with changes within a quarter-hour, and with an end between
    quarter-hours, people of days, weeks and months equal the oracle's, for a viewer too."""
    change = CHANGES[tz]
    world = crowded(change, tz)
    ends = (None, change + timedelta(hours=30, minutes=7, microseconds=1))
    counted = 0
    with filled_with(empty_warehouse, world) as filled:
        for metric in (*BY_BUCKETS, "people_heatmap"):
            for number, until in enumerate(ends):
                for viewer in (None, 1):
                    asked = arguments_of(
                        metric,
                        {
                            "since": change - timedelta(days=3, minutes=11),
                            "until": until,
                            "every": ("daily", "weekly")[number],
                            "tz": tz,
                            "visible_to": viewer,
                            "include_bots": viewer is None,
                        },
                    )
                    answer = expected(oracle.metric(metric)(world, **asked))
                    assert filled.ask(metric, **asked) == answer, (metric, asked)
                    counted += any(isinstance(v, int) and v > 1 for row in answer for _, v in row)
    assert counted > 8


def test_no_utc_day_meets_three_local_days(empty_warehouse: Warehouse) -> None:
    """In no time zone a local day lies within a UTC day with time before and after it: only a day
    that a clock shortens could, and none of them begins so soon after midnight UTC."""
    found = empty_warehouse.connection.execute(
        """
        with changes as (
            select
                tz_name,
                lag(offset_minutes) over (partition by tz_name order by from_utc) as before_minutes,
                offset_minutes - before_minutes as skipped_minutes,
                (1440 - before_minutes) % 1440 as midnight_minute
            from core.tz_spans
        )
        select count(*), count(*) filter (where midnight_minute between 1 and skipped_minutes - 1)
        from changes
        where skipped_minutes between 1 and 1439
        """
    ).fetchone()
    assert found is not None and found[0] > 9_000 and found[1] == 0


def people_world(firsts: dict[int, int]) -> World:
    """People who write first so many days after the first of May, and again a day later."""
    start = datetime(2026, 5, 1, 12)
    return World(
        data_through=datetime(2026, 5, 12),
        users=[User(n, "ann", False, start - DAY, None) for n in firsts],
        conversations=[Conversation(ROOMS[0], "group", None, start - DAY)],
        participants=[Participant(ROOMS[0], n, start - DAY, None) for n in firsts],
        messages=[
            Message(2 * n + again, start + (day + again) * DAY, ROOMS[0], n, "text", 1, None)
            for n, day in firsts.items()
            for again in (0, 1)
        ],
    )


def test_cohorts_of_fewer_than_five_are_shown_to_viewers_together(
    empty_warehouse: Warehouse,
) -> None:
    """An administrator sees every cohort; a viewer those of five or more, and the others as one
    where they have five people together. Nobody is new on the first day with data."""
    firsts = {1: 0} | dict.fromkeys(range(2, 7), 3) | dict.fromkeys(range(7, 11), 5) | {11: 7}
    asked = {"since": datetime(2026, 5, 1), "every": "daily"}
    with filled_with(empty_warehouse, people_world(firsts)) as filled:
        everything = [dict(row) for row in filled.ask("retention", **asked)]
        seen = [dict(row) for row in filled.ask("retention", **asked, visible_to=1)]
    sizes = {row["cohort"]: row["cohort_size"] for row in everything if row["cohort"]}
    assert sizes == {datetime(2026, 5, day): n for day, n in ((4, 5), (6, 4), (8, 1))}
    assert {row["cohort"] for row in seen} == {datetime(2026, 5, 4), None}
    others = [row for row in seen if row["row_type"] == "others"]
    # Of these only the cohort of 6 May has a fifth day that is over: four people.
    assert [(r["bucket_number"], r["cohort_size"], r["people"]) for r in others] == [
        (0, 5, 5), (1, 5, 5), (2, 5, 0), (3, 5, 0),
    ]  # fmt: skip


def test_a_deleted_account_stays_in_its_cohort(empty_warehouse: Warehouse) -> None:
    """Deleting an account, or losing its row, changes no number of people by buckets."""
    world = people_world({1: 0, 2: 3, 3: 3})
    asked = {"since": datetime(2026, 5, 1)}
    gone = replace(world, users=[replace(world.users[0]), replace(world.users[1], deleted_at=ZERO)])
    answers = []
    for one in (world, gone):
        with filled_with(empty_warehouse, one) as filled:
            answers.append([filled.ask(metric, **asked) for metric in BY_BUCKETS])
    assert answers[0] == answers[1]


def test_an_account_is_judged_as_soon_as_it_is_old_enough(empty_warehouse: Warehouse) -> None:
    """An account counts in a share from the instant at which its time is over, and not before."""
    ages = [hours * timedelta(hours=1) for hours in (24, 7 * 24, 8 * 24, 14 * 24)]
    young = [age - timedelta(microseconds=1) for age in ages]
    world = World(
        data_through=ZERO,
        users=[User(n, "ann", False, ZERO - age, None) for n, age in enumerate([*ages, *young], 1)],
    )
    with filled_with(empty_warehouse, world) as filled:
        (row,) = filled.ask("activation", since=ZERO - 20 * DAY)
    judged = {name: value for name, value in row if name.startswith("judged")}
    assert dict(row)["accounts"] == 8
    assert judged == {
        "judged_after_24_hours": 7,
        "judged_after_7_days": 5,
        "judged_after_8_days": 3,
        "judged_after_14_days": 1,
    }


def test_system_messages_make_nobody_active(empty_warehouse: Warehouse) -> None:
    """Neither in a whole quarter-hour nor in the one that `until` cuts, read from the facts."""
    world = people_world({1: 0})
    start, until = datetime(2026, 5, 1), datetime(2026, 5, 2, 12, 7)
    announced = [
        Message(90 + n, instant, ROOMS[0], 2, "system", 1, None)
        for n, instant in enumerate((until - DAY, until - timedelta(minutes=1)))
    ]
    world = replace(
        world,
        users=[*world.users, replace(world.users[0], id=2)],
        messages=[*world.messages, *announced],
    )
    with filled_with(empty_warehouse, world) as filled:
        rows = filled.ask("active_timeline", since=start, until=until)
    assert [(dict(row)["active_people"], dict(row)["writers"]) for row in rows] == [(1, 1), (1, 1)]


def test_who_was_active_long_ago_returns(empty_warehouse: Warehouse) -> None:
    """A person whose only other activity lies before the period is returned, and not new."""
    world = people_world({1: 0, 2: 8})
    with filled_with(empty_warehouse, world) as filled:
        (row, *_) = filled.ask("lifecycle", since=datetime(2026, 5, 9), until=datetime(2026, 5, 10))
        assert dict(row)["new_people"] == 1
        earlier = replace(
            world,
            messages=[*world.messages, replace(world.messages[0], id=99, sender_id=2)],
        )
    with filled_with(empty_warehouse, earlier) as filled:
        (row, *_) = filled.ask("lifecycle", since=datetime(2026, 5, 9), until=datetime(2026, 5, 10))
        assert (dict(row)["new_people"], dict(row)["returned_people"]) == (0, 1)


@pytest.fixture(scope="module")
def published(marked: Path) -> Iterator[Filled]:
    """Generated traffic."""
    with closing(duckdb.connect(str(marked), read_only=True)) as connection:
        yield Filled(connection)


VARIANTS: list[dict[str, Any]] = [
    {"every": "daily"},
    {"every": "weekly", "tz": "America/St_Johns", "include_bots": False},
    {"every": "monthly", "tz": "Asia/Kathmandu"},
]
SINCE = {"since": ZERO - 70 * DAY, "until": ZERO - timedelta(hours=5, minutes=7)}


def rows_of(filled: Filled, metric: str, **asked: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in filled.ask(metric, **asked)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_people_of_a_bucket_add_up(variant: dict[str, Any], published: Filled) -> None:
    """active = new + stayed + returned, left = active before - stayed, and both metrics agree."""
    found = rows_of(published, "lifecycle", **SINCE, **variant)
    active = rows_of(published, "active_timeline", **SINCE, **variant)
    assert [r["active_people"] for r in found] == [r["active_people"] for r in active]
    assert len(found) > 2
    for before, row in pairwise(found):
        parts = (row[f"{name}_people"] for name in ("new", "stayed", "returned"))
        assert row["active_people"] == sum(parts)
        if not row["is_partial"]:
            assert row["left_people"] == before["active_people"] - row["stayed_people"]
    assert found[-1]["is_partial"] and found[-1]["left_people"] is None


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_day_has_no_more_people_than_a_week(variant: dict[str, Any], published: Filled) -> None:
    """DAU <= WAU <= MAU, writers and those who only read add up, and no share exceeds 100."""
    found = rows_of(published, "active_timeline", **SINCE, **variant)
    for row in found:
        assert row["writers"] + row["readers_only"] == row["active_people"]
        assert row["active_7_days"] <= row["active_30_days"]
        if variant["every"] == "daily":
            assert row["active_people"] <= row["active_7_days"]
        if variant["every"] == "weekly" and not row["is_partial"]:
            assert row["active_people"] == row["active_7_days"]


@pytest.mark.parametrize("tz", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
def test_people_of_a_whole_day_are_its_active_users(tz: str, published: Filled) -> None:
    """active_people and writers of each whole local day are those of `active_users` of it."""
    found = rows_of(published, "active_timeline", **SINCE, tz=tz)
    for row, following in pairwise(found[-12:]):
        (users,) = rows_of(
            published, "active_users", since=row["timestamp"], until=following["timestamp"]
        )
        assert (row["active_people"], row["writers"]) == (
            users["active_any"],
            users["active_users"],
        )


@pytest.mark.parametrize("variant", VARIANTS)
def test_cohorts_are_the_new_people(variant: dict[str, Any], published: Filled) -> None:
    """A cohort is the new people of its bucket, all of it is active at first, and the people of all
    cohorts in a bucket are no more than those active in it."""
    cells = [
        r for r in rows_of(published, "retention", **SINCE, **variant) if r["row_type"] == "cohort"
    ]
    buckets = {r["timestamp"]: r for r in rows_of(published, "lifecycle", **SINCE, **variant)}
    places = list(buckets)
    firsts = [r for r in cells if r["bucket_number"] == 0]
    assert {r["retention_rate"] for r in firsts} == {"decimal 100.00"}
    new = {at: r["new_people"] for at, r in buckets.items() if r["new_people"]}
    assert {r["cohort"]: r["cohort_size"] for r in firsts} == new and new
    for place, at in enumerate(places):
        there = [
            r["people"] for r in cells if places.index(r["cohort"]) + r["bucket_number"] == place
        ]
        assert sum(there) <= buckets[at]["active_people"]


@pytest.mark.parametrize("tz", ["UTC", "Asia/Kathmandu"])
def test_an_hour_of_the_week_has_its_active_users(tz: str, published: Filled) -> None:
    """Over two weeks a cell of the heatmap is the sum of `active_users` over its two hours."""
    shift = timedelta(hours=5, minutes=45) if tz != "UTC" else timedelta(0)
    start = datetime(2026, 2, 2) - shift
    cells = rows_of(published, "people_heatmap", since=start, until=start + 14 * DAY, tz=tz)
    assert {row["occurrences"] for row in cells} == {2}
    busiest = sorted(cells, key=lambda row: -row["people"])[:4] + cells[18:20]
    for cell in busiest:
        hours = start + timedelta(days=cell["weekday"] - 1, hours=cell["hour"])
        users = 0
        for week in (0, 7):
            since = hours + week * DAY
            (row,) = rows_of(
                published, "active_users", since=since, until=since + timedelta(hours=1)
            )
            users += row["active_any"]
        assert cell["people"] == users
    assert busiest[0]["people"] > 1
