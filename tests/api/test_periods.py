"""Periods: whole days, earlier periods to compare with, ends that are cut; the windows themselves
by their definition, and the answers of every endpoint that has a period."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from api.app import create_app
from api.endpoints import ENDPOINTS
from api.parameter_classes import PeriodParameters
from api.parameters import Comparison
from api.periods import Period, Window, day_start, known_zone, period
from api.problems import Problem
from api.query import Endpoint
from etl.sandbox.postgres import create_database, drop_database
from olap.days import DayRange
from olap.settings import Settings
from olap.timezones import spans
from tests.api.fix_api import Api, Caller, api_settings
from tests.effort import examples
from tests.fix_pipeline import Clock, Pipeline
from tests.world import World, uuid

PREVIOUS, YEAR = Comparison.PREVIOUS, Comparison.YEAR
BERLIN, SAO_PAULO = "Europe/Berlin", "America/Sao_Paulo"
THROUGH = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)


def utc(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def asked(**given: Any) -> Period:
    """The period of these parameters."""
    parameters: dict[str, Any] = {"days": None, "start": None, "end": None, "tz": "UTC"}
    return period(**parameters | {"default": 7, "days_max": 365} | given)


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({"days": 7}, "2026-11-13", "2026-11-20"),
        ({}, "2026-11-13", "2026-11-20"),
        # In Kathmandu it is 16:15 on 20 November, and in Kiritimati already the 21st.
        ({"days": 1, "tz": "Asia/Kathmandu"}, "2026-11-18T18:15", "2026-11-19T18:15"),
        ({"days": 1, "tz": "Pacific/Kiritimati"}, "2026-11-19T10:00", "2026-11-20T10:00"),
        # The day at whose end the clock goes back has 25 hours.
        ({"days": 1, "end": "2026-10-25", "tz": BERLIN}, "2026-10-24T22:00", "2026-10-25T23:00"),
        (
            {"days": 2, "end": "2026-03-30T12:00Z", "tz": BERLIN},
            "2026-03-27T23:00",
            "2026-03-29T22:00",
        ),
        # Only the whole days between the two instants.
        ({"start": "2026-11-01T00:01Z", "end": "2026-11-04T23:59Z"}, "2026-11-02", "2026-11-04"),
        ({"start": "2026-11-01T00:00Z", "end": "2026-11-05T00:00Z"}, "2026-11-01", "2026-11-05"),
        ({"start": "2026-11-18"}, "2026-11-18", "2026-11-20"),
        ({"start": "2026-11-18", "end": "2026-12-24"}, "2026-11-18", "2026-11-20"),
        # Midnight is skipped on 4 November 2018; the day begins at 1 o'clock.
        (
            {"days": 1, "end": "2018-11-05T12:00Z", "tz": SAO_PAULO},
            "2018-11-04T03:00",
            "2018-11-05T02:00",
        ),
        # A minute after midnight the clock went back to the day before: of both first instants of
        # 30 October the first one counts, and what begins between them begins with the 31st.
        (
            {"start": "2005-10-30T02:45Z", "end": "2005-11-05T12:00Z", "tz": "America/St_Johns"},
            "2005-10-31T03:30",
            "2005-11-05T03:30",
        ),
    ],
)  # fmt: skip
def test_whole_days(given: dict[str, Any], since: str, until: str) -> None:
    """The last days that are over by the local clock, or the whole days between start and end."""
    assert asked(**given, whole_days=True).window(THROUGH) == Window(utc(since), utc(until))


@pytest.mark.parametrize(
    "given",
    [
        {"start": "2026-11-19T00:01Z", "end": "2026-11-20T23:59Z"},
        {"start": "2026-11-20"},  # today is not over
        {"start": "2026-11-10T12:00Z", "end": "2026-11-10T13:00Z"},
    ],
)
def test_a_period_without_a_whole_day_is_an_error(given: dict[str, Any]) -> None:
    """It is 400 and names `whole_days`, because an answer about nothing would not say so."""
    with pytest.raises(Problem) as caught:
        asked(**given, whole_days=True).window(THROUGH)
    assert (caught.value.status_code, caught.value.extra) == (400, {"parameter": "whole_days"})


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({"days": 30}, "2026-09-21T10:30", "2026-10-21T10:30"),
        ({"hours": 5}, "2026-11-19T05:30", "2026-11-19T10:30"),
        ({"hours": 30}, "2026-11-17T04:30", "2026-11-18T10:30"),
        # 30 days to 21:59 are compared with 30 days to 21:59, across both changes of the clock.
        (
            {"days": 30, "end": "2026-04-10T21:59:00+02:00", "tz": BERLIN},
            "2026-02-09T20:59",
            "2026-03-11T20:59",
        ),
        (
            {"days": 30, "end": "2026-11-10T21:59:00+01:00", "tz": BERLIN},
            "2026-09-11T19:59",
            "2026-10-11T19:59",
        ),
        # Dates are compared with dates: seven of them are 167 hours, one has 25.
        (
            {"start": "2026-03-30", "end": "2026-04-05", "tz": BERLIN},
            "2026-03-22T23:00",
            "2026-03-29T22:00",
        ),
        (
            {"start": "2026-10-26", "end": "2026-10-26", "tz": BERLIN},
            "2026-10-24T22:00",
            "2026-10-25T23:00",
        ),
        (
            {"days": 2, "whole_days": True, "end": "2026-10-26", "tz": BERLIN},
            "2026-10-22T22:00",
            "2026-10-24T22:00",
        ),
        # 19 days and a part are 20 local days, and are cut at the same time of day.
        ({"start": "2026-11-01", "tz": BERLIN}, "2026-10-11T22:00", "2026-10-31T10:30"),
        ({"start": "2026-11-01", "end": "2026-12-24"}, "2026-10-12", "2026-10-31T10:30"),
        (
            {"start": "2026-11-10T08:00Z", "end": "2026-11-10T14:00Z"},
            "2026-11-09T08:00",
            "2026-11-09T14:00",
        ),
        # Midnight stays midnight: 4 November 2018 begins at 1 o'clock.
        (
            {"start": "2018-11-05", "end": "2018-11-11", "tz": SAO_PAULO},
            "2018-10-29T03:00",
            "2018-11-05T02:00",
        ),
        (
            {"start": "2018-11-04", "end": "2018-11-10", "tz": SAO_PAULO},
            "2018-10-28T03:00",
            "2018-11-04T03:00",
        ),
        # Half past two is skipped; of a time that comes twice the first one is taken.
        (
            {"start": "2026-03-30T00:30Z", "end": "2026-03-30T04:00Z", "tz": BERLIN},
            "2026-03-29T01:30",
            "2026-03-29T04:00",
        ),
        (
            {"start": "2026-10-26T01:30Z", "end": "2026-10-26T05:00Z", "tz": BERLIN},
            "2026-10-25T00:30",
            "2026-10-25T05:00",
        ),
        # It ends at half past two, for the second time, and half past two is skipped.
        (
            {"days": 210, "end": "2026-10-25T01:30Z", "tz": BERLIN},
            "2025-08-31T01:30",
            "2026-03-29T01:30",
        ),
        # Nothing would be left of these: they keep their length.
        (
            {"start": "2026-03-30T00:30Z", "end": "2026-03-30T01:15Z", "tz": BERLIN},
            "2026-03-29T00:30",
            "2026-03-29T01:15",
        ),
        (
            {"start": "2026-10-25T00:50Z", "end": "2026-10-25T01:10Z", "tz": BERLIN},
            "2026-10-23T23:50",
            "2026-10-24T00:10",
        ),
    ],
)  # fmt: skip
def test_the_previous_period(given: dict[str, Any], since: str, until: str) -> None:
    """It is moved back by the number of local days, and ends at the same local time of day."""
    assert earlier(PREVIOUS, given) == Window(utc(since), utc(until))


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({"days": 30}, "2025-10-21T10:30", "2025-11-20T10:30"),
        ({"start": "2026-02-01", "end": "2026-02-28"}, "2025-02-01", "2025-03-01"),
        # In 2025 the clock went back on 26 October.
        (
            {"start": "2026-10-25", "end": "2026-10-25", "tz": BERLIN},
            "2025-10-24T22:00",
            "2025-10-25T22:00",
        ),
        # 29 February is 28 February of the year before, as a start, an end, and both.
        ({"start": "2024-02-01", "end": "2024-02-29"}, "2023-02-01", "2023-03-01"),
        ({"start": "2024-02-01", "end": "2024-02-28"}, "2023-02-01", "2023-03-01"),
        ({"start": "2024-02-29", "end": "2024-02-29"}, "2023-02-28", "2023-03-01"),
        ({"start": "2024-02-29", "end": "2024-03-10"}, "2023-02-28", "2023-03-11"),
        ({"days": 1, "end": "2024-02-29T10:30Z"}, "2023-02-27T10:30", "2023-02-28T10:30"),
        (
            {"start": "2024-02-28T12:00Z", "end": "2024-02-29T06:00Z"},
            "2023-02-27T12:00",
            "2023-02-28T06:00",
        ),
        (
            {"start": "2024-02-28T09:00Z", "end": "2024-02-29T10:30Z"},
            "2023-02-27T09:00",
            "2023-02-28T10:30",
        ),
        # A period in days keeps its length, also where one of both has a 29 February.
        ({"days": 30, "end": "2024-03-10T12:00Z"}, "2023-02-08T12:00", "2023-03-10T12:00"),
        ({"start": "2025-02-20", "end": "2025-03-10"}, "2024-02-20", "2024-03-11"),
    ],
)
def test_the_period_of_a_year_before(given: dict[str, Any], since: str, until: str) -> None:
    """It has the same local dates and times of day; the weekdays are others."""
    assert earlier(YEAR, given) == Window(utc(since), utc(until))


def earlier(compare: Comparison, given: dict[str, Any]) -> Window:
    """The earlier window of these parameters in a generation with data through THROUGH."""
    found = asked(**given, compare=compare)
    return found.earlier(found.window(THROUGH))


ZONES = (
    "UTC", BERLIN, "America/St_Johns", "Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe",
    "America/Havana", "Africa/Cairo",
)  # fmt: skip


def instants_of(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """When the clock on the wall shows this local time, in order: never, once or twice."""
    found = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(one for one in found if wall(one, zone) == local)


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def time_of_day(instant: datetime, zone: ZoneInfo) -> time:
    """What the clock shows; midnight where a date is seen first."""
    shown, before = wall(instant, zone), wall(instant - datetime.resolution, zone)
    return time() if before.date() < shown.date() else shown.time()


@cache
def changes_of(tz: str, *years: int) -> list[datetime]:
    """When the clocks changed in these years, in UTC."""
    found = [one.from_utc for one in spans() if one.tz == tz and one.from_utc is not None]
    return [one for one in found if one.year in years]


@st.composite
def windows(draw: st.DrawFn) -> tuple[str, Window]:
    """A zone and a window, mostly near a change of its clock or the same a day or a year later."""
    tz = draw(st.sampled_from(ZONES))
    near = draw(st.sampled_from([*changes_of(tz, 2023, 2024, 2025), datetime(2024, 2, 29)]))
    moved = draw(st.sampled_from([-1, 0, 1, 2, 7, 364, 365, 366])) * DAY
    since = near.replace(tzinfo=UTC) + moved + draw(st.integers(-20, 20)) * QUARTER
    length = draw(
        st.integers(1, 12).map(lambda tens: tens * timedelta(minutes=10))
        | st.integers(1, 100).map(lambda days: days * DAY)
        | st.timedeltas(timedelta(minutes=1), timedelta(days=100))
    )
    return tz, Window(since, since + length)


@settings(max_examples=examples(400))
@given(windows(), st.sampled_from(Comparison))
def test_both_ends_keep_their_local_time(given: tuple[str, Window], compare: Comparison) -> None:
    """Where the wall shows it at all, an end of the earlier period is the first instant of its date
    with the local time of day of the period's end, unless both lengths are equal; it is not empty,
    ends before the period does, and the previous one not after it begins."""
    tz, window = given
    zone = known_zone(tz)
    start, end = window.since.isoformat(), window.until.isoformat()
    before = asked(start=start, end=end, tz=tz, compare=compare).earlier(window)
    assert before.since < before.until < window.until
    for own, moved in ((window.since, before.since), (window.until, before.until)):
        local = datetime.combine(wall(moved, zone), time_of_day(own, zone))
        shown = instants_of(local, zone)
        assert shown[:1] in ([moved], []) or before.length == window.length
    if compare is PREVIOUS:
        assert before.until <= window.since


@given(tz=st.sampled_from(ZONES), day=st.dates(datetime(2020, 1, 1).date()))
def test_a_day_begins_when_its_date_is_seen_first(tz: str, day: Any) -> None:
    """A microsecond before the first instant of a day the wall shows the day before."""
    zone = known_zone(tz)
    begin = day_start(day, zone)
    assert wall(begin, zone).date() == day
    assert wall(begin - datetime.resolution, zone).date() < day


FIRST_DAY, LAST_DAY = datetime(2025, 3, 1, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC)
ANN, NEW = 1, 7
PEOPLE = (ANN, 2, 3, 4, 5, 6)
WITH_PERIOD = [one for one in ENDPOINTS if issubclass(one.parameters, PeriodParameters)]
EVERY = timedelta(hours=53)
# When, who and where: a message, and 40 minutes later a reply.
MESSAGES = [
    (FIRST_DAY + number * EVERY + after * timedelta(minutes=40), PEOPLE[(number + after) % 6], room)
    for number in range((LAST_DAY - FIRST_DAY) // EVERY)
    for room in [number % 5 % 3 + 1]
    for after in (0, 1)
]


def fill(world: World) -> None:
    """Twenty months of messages in three conversations; most are read, and some are events."""
    for person in PEOPLE:
        world.user(person, created_at=FIRST_DAY)
    world.user(NEW, created_at=LAST_DAY - 10 * DAY)
    for room, kind in ((1, "direct"), (2, "group"), (3, "channel")):
        world.conversation(room, type=kind, created_at=FIRST_DAY)
        for person in PEOPLE[: 2 if kind == "direct" else 6]:
            world.participant(room, person, joined_at=FIRST_DAY)
    for number, (instant, person, room) in enumerate(MESSAGES):
        where = {"conversation_id": uuid(room), "created_at": instant}
        world.message(number, sender_id=person, **where)
        if number % 4:
            world.receipt(number, 7 - person, read_at=instant + timedelta(minutes=number))
        if number % 3:
            world.event(number, user_id=person, **where)


@pytest.fixture(scope="module")
def long_api(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """The application on a messenger with twenty months of data; no test changes it."""
    name = f"test_{os.getpid()}_long"
    try:
        url = create_database(postgres_url, name, template=template_database)
        with World(url) as world:
            fill(world)
        data_dir = tmp_path_factory.mktemp("long") / "data"
        pipeline = Pipeline(url, Settings(data_dir=data_dir), Clock())
        pipeline.cycle()
        own = api_settings(pipeline)
        with TestClient(create_app(own)) as client:
            yield Api(client, own)
    finally:
        drop_database(postgres_url, name)


def path_to(endpoint: Endpoint) -> str:
    """The path of an endpoint, about a person and a conversation that exist."""
    path = endpoint.path.replace("{user_id:str}", str(ANN))
    return path.replace("{conversation_id:str}", str(uuid(1)))


def answer_of(caller: Caller, path: str, **given: Any) -> dict[str, Any]:
    """The answer to a request."""
    found = caller.get(path, **given)
    assert found.status_code == 200, found.text
    answer: dict[str, Any] = found.json()
    return answer


@st.composite
def periods(draw: st.DrawFn) -> dict[str, Any]:
    """Parameters of a period: its end, or both ends, near a change of the clock in 2026."""
    tz = draw(st.sampled_from(ZONES))
    change = draw(st.sampled_from([*changes_of(tz, 2026), datetime(2026, 6, 30)]))
    near = change.replace(tzinfo=UTC) + draw(st.integers(-30, 200)) * QUARTER
    days = draw(st.sampled_from([1, 2, 7, 30]))
    first, last = near.date() - days * DAY, near.date() - DAY
    written: list[dict[str, Any]] = [
        {"days": days, "end": near.isoformat()},
        {"days": days},
        {"start": first.isoformat(), "end": last.isoformat()},
        {"start": (near - 1.3 * days * DAY).isoformat(), "end": near.isoformat()},
        {"start": first.isoformat(), "end": near.isoformat()},
    ]
    found: dict[str, Any] = draw(st.sampled_from(written)) | {"tz": tz}
    has_whole_days = days > 2 or "start" not in found
    return found | ({"whole_days": True} if has_whole_days and draw(st.booleans()) else {})


@pytest.mark.parametrize("endpoint", WITH_PERIOD, ids=lambda endpoint: endpoint.name)
def test_compared_is_the_question_asked_of_the_earlier_period(
    long_api: Api, endpoint: Endpoint
) -> None:
    """For every endpoint with a period, in zones with changes of the clock, for administrators and
    members, `compared` has all fields that `start` and `end` of the earlier period give, but those
    of the generation, unless it begins before the data; the other fields are as they are without
    `compare`."""
    path = path_to(endpoint)
    own = {"generation", "data_through", "generated_at", "is_cut"}

    @settings(max_examples=examples(12), deadline=None)
    @given(periods(), st.sampled_from(Comparison), st.booleans())
    def compare(period: dict[str, Any], comparison: Comparison, is_admin: bool) -> None:
        caller = long_api.admin() if is_admin else long_api.member(ANN)
        answer = answer_of(caller, path, **period, compare=comparison)
        compared = answer.pop("compared")
        assert answer == answer_of(caller, path, **period)
        expected = asked(**period, compare=comparison)
        window = expected.earlier(expected.window(parsed(answer["data_through"])))
        assert (compared is None) is (window.since < FIRST_DAY)
        if compared is not None:
            begin, end = compared["since"], compared["until"]
            assert (parsed(begin), parsed(end)) == (window.since, window.until)
            alone = answer_of(caller, path, tz=period["tz"], start=begin, end=end)
            assert (alone["since"], alone["until"]) == (begin, end)
            assert compared == {name: alone[name] for name in alone.keys() - own}

    compare()


def parsed(text: str) -> datetime:
    """An instant of an answer."""
    return datetime.fromisoformat(text)


def sent_in(part: dict[str, Any]) -> int:
    """How many of the messages were sent in the period that a part of an answer names."""
    return sum(parsed(part["since"]) <= one < parsed(part["until"]) for one, _, _ in MESSAGES)


@pytest.mark.parametrize("comparison", Comparison)
def test_both_periods_are_counted(long_api: Api, comparison: Comparison) -> None:
    """Each number of messages is that of the period beside it."""
    given = {"days": 45, "end": "2026-11-07T21:59Z", "tz": BERLIN, "compare": comparison}
    answer = answer_of(long_api.admin(), "/messages", **given)
    for part in (answer, answer["compared"]):
        assert part["total_messages"] == sent_in(part) > 30
    assert answer["since"] != answer["compared"]["since"]


def test_every_endpoint_with_a_period_compares(long_api: Api) -> None:
    """`compare`, `whole_days` and `is_cut` come with a period; what has none refuses both
    parameters, as any that is unknown, and has no such field."""
    assert {"dashboard", "user", "engagement", "active_users"} <= {one.name for one in WITH_PERIOD}
    for endpoint in ENDPOINTS:
        has_period = endpoint in WITH_PERIOD
        for name, value in (("compare", "previous"), ("whole_days", "true")):
            found = long_api.admin().get(f"{path_to(endpoint)}?{name}={value}")
            assert found.status_code == (200 if has_period else 400)
            if not has_period:
                assert found.json()["parameter"] == name
                assert "is not a parameter of this endpoint" in found.json()["detail"]
        found = long_api.admin().get(path_to(endpoint))
        if found.status_code == 200:  # this messenger has no read marks
            assert ("is_cut" in found.json()) is has_period
            assert "compared" not in found.json()


def test_the_document_has_the_types_of_both_periods(long_api: Api) -> None:
    """An answer with a period has `compared`, null or of a type with the same fields but those of
    the generation; generated clients read it as they read the answer."""
    document = long_api.client.get("/docs/openapi.json").json()
    schemas = document["components"]["schemas"]
    for endpoint in WITH_PERIOD:
        name = endpoint.answer.__name__
        own = schemas[name]
        reference, null = own["properties"]["compared"]["oneOf"]
        assert null == {"type": "null"}
        assert reference == {"$ref": f"#/components/schemas/Compared{name}"}
        assert "compared" not in own["required"] and "is_cut" in own["required"]
        compared = schemas[f"Compared{name}"]
        of_generation = {"generation", "data_through", "generated_at", "is_cut", "compared"}
        assert {*compared["properties"]} == {*own["properties"]} - of_generation
        assert {*compared["required"]} == {*compared["properties"]} & {*own["required"]}
        for field, schema in compared["properties"].items():
            assert schema == own["properties"][field]


@pytest.mark.parametrize(
    ("path", "given", "has_earlier"),
    [
        # The first day with data is 1 March 2025.
        ("/messages", {"start": "2025-03-08", "end": "2025-03-14"}, True),
        ("/messages", {"start": "2025-03-07", "end": "2025-03-13"}, False),
        ("/messages", {"start": "2025-03-01", "end": "2025-03-01"}, False),
        ("/messages", {"start": "2024-03-01", "end": "2024-03-01"}, False),
        ("/messages", {"start": "0002-01-01", "end": "0002-01-01"}, False),
        ("/messages", {"start": "2025-03-08", "end": "2025-03-14", "tz": BERLIN}, False),
        ("/messages", {"start": "2026-03-01", "end": "2026-03-07", "compare": "year"}, True),
        ("/messages", {"start": "2026-02-28", "end": "2026-03-07", "compare": "year"}, False),
        # Nobody answers about a person before they existed.
        (f"/user/{NEW}", {"days": 4, "end": "2026-11-09"}, True),
        (f"/user/{NEW}", {"days": 11, "end": "2026-11-09"}, False),
        (f"/user/{ANN}", {"days": 11, "end": "2026-11-09"}, True),
    ],
)
def test_nothing_is_compared_with_what_is_not_known(
    long_api: Api, path: str, given: dict[str, Any], has_earlier: bool
) -> None:
    """`compared` is null where the earlier period begins before the first day with data, or where
    the question has no answer for it; the answer for the period itself is given."""
    answer = answer_of(long_api.admin(), path, **{"compare": "previous"} | given)
    assert (answer["compared"] is not None) is has_earlier
    member = answer_of(long_api.member(ANN), "/messages", **{"compare": "previous"} | given)
    assert (member["compared"] is not None) is (has_earlier or path == f"/user/{NEW}")


def test_nothing_is_compared_with_days_that_are_not_kept(
    pipeline: Pipeline, database: str, new_api: Callable[..., Api]
) -> None:
    """Where a backfill has left out days, an earlier period with one of them is null."""
    days = [(pipeline.clock.now - number * DAY).date() for number in range(30)]
    with World(database) as world:
        world.user()
        world.conversation()
        for number, instant in enumerate(days):
            world.message(number, created_at=datetime.combine(instant, time(9), UTC))
    pipeline.backfill(DayRange(days[20], days[10]))
    pipeline.backfill(DayRange(days[5], days[0]))
    caller = new_api(pipeline).admin()

    def compared(first: int, last: int) -> Any:
        start, end = days[first].isoformat(), days[last].isoformat()
        return answer_of(caller, "/messages", start=start, end=end, compare="previous")["compared"]

    assert compared(4, 4)["total_messages"] == compared(9, 9)["total_messages"] == 1
    assert compared(14, 10)["total_messages"] == 5
    assert [compared(*one) for one in ((5, 5), (8, 8), (7, 5), (4, 2), (16, 10))] == [None] * 5


def test_both_periods_are_of_one_generation(
    pipeline: Pipeline, database: str, new_api: Callable[..., Api]
) -> None:
    """An older generation that is asked for answers about both periods, without what came later."""
    with World(database) as world:
        world.user()
        world.conversation()
        for day in range(1, 9):
            world.message(day, created_at=datetime(2026, 5, day, 9, tzinfo=UTC))
        pipeline.cycle()
        world.message(100, created_at=datetime(2026, 5, 5, 10, tzinfo=UTC))
        pipeline.cycle()
    caller = new_api(pipeline).admin()
    period = {"start": "2026-05-06", "end": "2026-05-07", "compare": "previous"}
    found = {
        number: answer_of(caller, "/messages", **period, generation=number) for number in (1, 2)
    }
    assert {n: one["generation"] for n, one in found.items()} == {1: 1, 2: 2}
    assert {n: one["total_messages"] for n, one in found.items()} == {1: 2, 2: 2}
    assert {n: one["compared"]["total_messages"] for n, one in found.items()} == {1: 2, 2: 3}


def test_an_answer_says_whether_its_end_was_moved(long_api: Api) -> None:
    """`is_cut` is true where `end` is later than the data, by however little, also if whole days
    make the period end earlier still; a period without `end` is not cut."""
    caller = long_api.admin()
    through = parsed(answer_of(caller, "/messages")["data_through"])
    midnight = datetime.combine(through, time(), UTC)
    is_whole = {"whole_days": "true"}
    later: list[dict[str, Any]] = [
        {"end": f"{through.date()}"},
        {"end": "2999-01-01", "days": 5},
        {"end": (through + datetime.resolution).isoformat()},
        {"end": "2999-01-01", "start": f"{(through - 5 * DAY).date()}", **is_whole},
        {"end": f"{through.date()}", "days": 5, **is_whole},
    ]
    for end in later:
        for path in ("/dashboard", "/active-users", "/timeline"):
            answer = answer_of(caller, path, **end)
            assert answer["is_cut"] is True
            assert parsed(answer["until"]) == (midnight if "whole_days" in end else through)
    for end in ({}, {"days": 7, **is_whole}, {"end": through.isoformat()}, {"end": "2026-11-01"}):
        assert answer_of(caller, "/dashboard", **end)["is_cut"] is False


def test_whole_days_have_no_part_of_a_day(long_api: Api) -> None:
    """A timeline of whole days has exactly these days, and none of them is partial; with the same
    number of 24-hour days the first and the last one are."""
    caller = long_api.admin()
    given = {"days": 21, "end": "2026-11-09T12:00Z", "tz": BERLIN}
    whole = answer_of(caller, "/timeline", whole_days="true", **given)["timeline"]
    assert [one["is_partial"] for one in whole] == [False] * 21
    assert whole[0]["timestamp"] == "2026-10-18T22:00:00Z"
    assert whole[-1]["timestamp"] == "2026-11-07T23:00:00Z"
    ragged = answer_of(caller, "/timeline", **given)["timeline"]
    assert [one["is_partial"] for one in ragged] == [True, *[False] * 20, True]


@pytest.mark.parametrize(
    ("length", "days"),
    [
        (timedelta(0), 0),
        (timedelta(minutes=1), 1),
        (timedelta(hours=1), 1),
        (timedelta(hours=23), 1),
        (timedelta(hours=25), 1),
        (timedelta(hours=25, microseconds=1), 2),
        (timedelta(days=7, hours=1), 7),
        (timedelta(days=7, hours=12), 8),
    ],
)
def test_the_hour_of_a_clock_change_makes_no_day(length: timedelta, days: int) -> None:
    """`period_days` of a week of dates is 7, also if its clock is set back."""
    assert Window(THROUGH, THROUGH + length).days == days


@pytest.mark.parametrize(
    ("given", "hours", "since", "until"),
    [
        ({}, 24, "2026-11-08T21:59", "2026-11-09T21:59"),
        ({"hours": 5}, 5, "2026-11-09T16:59", "2026-11-09T21:59"),
        ({"hours": 5, "end": "2026-11-01T12:00Z"}, 5, "2026-11-01T07:00", "2026-11-01T12:00"),
        ({"days": 3}, 72, "2026-11-06T21:59", "2026-11-09T21:59"),
        ({"start": "2026-11-09"}, 22, "2026-11-09T00:00", "2026-11-09T21:59"),
        (
            {"start": "2025-11-10", "end": "2026-11-09", "tz": BERLIN},
            8760,
            "2025-11-09T23:00",
            "2026-11-09T23:00",
        ),
        (
            {"whole_days": "true", "end": "2026-10-25", "tz": BERLIN},
            25,
            "2026-10-24T22:00",
            "2026-10-25T23:00",
        ),
    ],
)
def test_active_users_have_a_period(
    long_api: Api, given: dict[str, Any], hours: int, since: str, until: str
) -> None:
    """`hours`, `days`, and `start` with `end` say when; `timestamp` is its end, and `period_hours`
    its length, rounded up; the people are those of that period."""
    given = {"end": "2026-11-09T21:59Z"} | given
    answer = answer_of(long_api.admin(), "/active-users", **given)
    assert (answer["since"], answer["until"]) == (f"{since}:00Z", f"{until}:00Z")
    assert (answer["period_hours"], answer["timestamp"]) == (hours, answer["until"])
    senders = {person for one, person, _ in MESSAGES if utc(since) <= one < utc(until)}
    assert answer["active_users"] == len(senders)


def test_a_dashboard_compares_its_last_day(long_api: Api) -> None:
    """The 24 hours of a dashboard are those before the end of its period, the earlier one too."""
    answer = answer_of(long_api.admin(), "/dashboard", days=7, end="2026-08-31", compare="previous")
    for part, end in (
        (answer, "2026-09-01T00:00:00Z"),
        (answer["compared"], "2026-08-25T00:00:00Z"),
    ):
        assert part["active_users_24h"]["timestamp"] == part["until"] == end
        assert part["active_users_24h"]["period_hours"] == 24
        alone = answer_of(long_api.admin(), "/active-users", end=end)
        assert part["active_users_24h"]["active_users"] == alone["active_users"]


def test_comparisons_are_cached_under_their_own_keys(long_api: Api) -> None:
    """Each comparison, each zone of it, and no comparison are four answers with their own digests;
    the second time each is from memory, and a known one is not sent again."""
    caller = long_api.admin()
    asked_for: list[dict[str, Any]] = [
        {"days": 18},
        {},
        {"compare": "previous"},
        {"compare": "year"},
        {"compare": "previous", "tz": "Asia/Kathmandu"},
        {"whole_days": "true"},
        {"whole_days": "true", "tz": "Asia/Kathmandu"},
    ]
    first = [caller.get("/messages", **{"days": 19} | one) for one in asked_for]
    again = [caller.get("/messages", **{"days": 19} | one) for one in asked_for]
    assert len({one.headers["etag"] for one in first}) == len(asked_for)
    assert {one.headers["x-cache"] for one in again} == {"hit"}
    assert [one.content for one in again] == [one.content for one in first]
    known = {"If-None-Match": first[2].headers["etag"]}
    assert caller.get("/messages", known, days=19, compare="previous").status_code == 304


@pytest.mark.parametrize("path", ["/top-senders", f"/user/{ANN}", "/top-conversations"])
def test_ids_of_an_earlier_period_are_texts_on_demand(long_api: Api, path: str) -> None:
    """With `ids=text` no id is a number, in either period."""
    own = long_api.admin().get(path, days=7, compare="previous")
    texts = long_api.admin().get(path, days=7, compare="previous", ids="text")
    assert texts.text == re.sub(r'("user_id":)(-?[0-9]+)', r'\1"\2"', own.text)
    assert own.json()["compared"] is not None


def rows_of(caller: Caller, path: str, **given: Any) -> list[dict[str, str]]:
    """The rows of an answer as CSV, by the names of its header."""
    found = caller.get(path, format="csv", **given)
    assert found.status_code == 200
    return list(csv.DictReader(io.StringIO(found.text, newline="")))


def test_csv_has_the_rows_of_both_periods(long_api: Api) -> None:
    """The rows of the earlier period follow those of the period; `is_compared`, `since` and `until`
    say which period a row is about. The other columns are as without `compare`."""
    caller = long_api.admin()
    period = {"days": 7, "end": "2026-11-09T21:59Z", "tz": BERLIN}
    given_all = period | {"compare": "previous"}
    answer = answer_of(caller, "/top-senders", **given_all)
    parts = ((answer, "false"), (answer["compared"], "true"))
    assert rows_of(caller, "/top-senders", **given_all) == [
        {name: str(value) for name, value in row.items()}
        | {"is_compared": is_compared, "since": part["since"], "until": part["until"]}
        for part, is_compared in parts
        for row in part["top_senders"]
    ]
    buckets = rows_of(caller, "/dashboard", table="message_timeline", **given_all)
    assert [one["is_compared"] for one in buckets] == ["false"] * 8 + ["true"] * 8
    plain = rows_of(caller, "/dashboard", table="message_timeline", **period)
    assert [{name: row[name] for name in plain[0]} for row in buckets[:8]] == plain


def test_csv_of_single_numbers_has_a_row_for_each_period(long_api: Api) -> None:
    """Of the earlier period, which is never cut, the row has the same columns."""
    caller = long_api.admin()
    given_all = {"days": 7, "end": "2999-12-01", "compare": "year"}
    for path in ("/messages", "/dashboard", "/active-users"):
        answer = answer_of(caller, path, **given_all)
        own, earlier_row = rows_of(caller, path, **given_all)
        assert list(own) == list(earlier_row)
        assert (own["is_compared"], earlier_row["is_compared"]) == ("false", "true")
        assert (own["is_cut"], earlier_row["is_cut"]) == ("true", "false")
        assert own["generation"] == earlier_row["generation"] == str(answer["generation"])
        for row, part in ((own, answer), (earlier_row, answer["compared"])):
            assert (row["since"], row["until"]) == (part["since"], part["until"])
    (own,) = rows_of(caller, "/messages", start="2025-03-01", end="2025-03-02", compare="year")
    assert own["is_compared"] == "false"


def test_the_file_of_a_comparison_is_named_after_it(long_api: Api) -> None:
    """The name says with what the period is compared: the content is another one."""
    day = "2026-11-02"
    caller = long_api.admin()
    found = caller.get("/messages", start=day, end=day, compare="previous", format="csv")
    assert found.headers["content-disposition"] == (
        'attachment; filename="messages_20261102T000000Z_20261103T000000Z_compared-previous'
        '_generation-1.csv"'
    )
