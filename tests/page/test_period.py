"""Periods of the page, compared with a calendar of Python's and with what the API makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser

from api.parameters import Comparison
from api.periods import day_start, period
from tests.page.modules import BrowserModules, Modules

DAY = timedelta(days=1)
# An hour, half an hour and none; odd offsets; a midnight that is skipped; the other hemisphere.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Santiago",
    "America/St_Johns",
)
# Each day on which one of these clocks changes in a year, and its neighbors.
CHANGES = (
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 4),
    date(2026, 4, 5),
    date(2026, 9, 6),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 11, 1),
)
STATE: dict[str, str] = Modules("state.js").run("() => DEFAULTS")


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Iterator[BrowserModules]:
    """The module in Chromium, whose own zone is none of those that are asked for."""
    page = chromium.new_page(timezone_id="Pacific/Apia")
    yield BrowserModules(page, "period.js")
    page.close()


def instants() -> list[datetime]:
    """Around every change of a clock, each half hour of three days."""
    starts = [datetime(day.year, day.month, day.day, tzinfo=UTC) - DAY for day in CHANGES]
    return [start + timedelta(minutes=30 * step) for start in starts for step in range(6 * 24)]


def iso(instant: datetime) -> str:
    """As the API writes `data_through`."""
    return f"{instant:%Y-%m-%dT%H:%M:%S.%fZ}"


@pytest.mark.parametrize("name", ZONES)
def test_the_last_days_begin_with_a_date_of_the_zone(browser: BrowserModules, name: str) -> None:
    """The date of the data's end in the zone, and so many dates before: the clock never matters."""
    through = instants()
    function = (
        "(all, zone) => all.map((at) => [1, 7, 30, 90].map((n) => lastDays(n, at, zone).start))"
    )
    found = browser.run(function, [iso(one) for one in through], name)
    zone = ZoneInfo(name)
    expected = [
        [str(one.astimezone(zone).date() - (days - 1) * DAY) for days in (1, 7, 30, 90)]
        for one in through
    ]
    assert found == expected


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("days", ["7", "30", "90"])
def test_the_api_makes_whole_local_days_of_them(
    browser: BrowserModules, name: str, days: str
) -> None:
    """The API begins the period at local midnight, and the earlier one as many midnights before."""
    through = instants()
    function = """(all, state, zone) => all.map((at) => periodOf(state, at, zone))"""
    parameters = browser.run(function, [iso(one) for one in through], {**STATE, "days": days}, name)
    zone = ZoneInfo(name)
    for at, asked in zip(through, parameters, strict=True):
        assert asked == {"start": asked["start"], "tz": name, "compare": "previous"}
        first = at.astimezone(zone).date() - (int(days) - 1) * DAY
        window, earlier = windows(asked, at)
        assert (window.since, window.until) == (day_start(first, zone), at)
        if at != day_start(at.astimezone(zone).date(), zone):  # else today has nothing yet
            assert earlier.since == day_start(first - int(days) * DAY, zone)


def windows(asked: dict[str, str], through: datetime) -> tuple[Any, Any]:
    """What the API answers: the window of these parameters, and the earlier one."""
    found = period(
        days=int(asked["days"]) if "days" in asked else None,
        start=asked.get("start"),
        end=asked.get("end"),
        tz=asked["tz"],
        default=30,
        days_max=365,
        compare=Comparison(asked["compare"]),
    )
    window = found.window(through)
    return window, found.earlier(window)


def test_24_hours_are_hours(browser: BrowserModules) -> None:
    """The day that ends with the data, of 24 hours also where the clock changes."""
    at = datetime(2026, 10, 25, 12, tzinfo=UTC)
    asked = browser.run(
        "(state, at) => periodOf(state, at, 'Europe/Berlin')", {**STATE, "days": "1"}, iso(at)
    )
    assert asked == {"days": "1", "tz": "Europe/Berlin", "compare": "previous"}
    window, _ = windows(asked, at)
    assert (window.since, window.until) == (at - DAY, at)


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        (
            {"start": "2026-11-01", "end": "2026-11-20", "compare": ""},
            {"start": "2026-11-01", "end": "2026-11-20"},
        ),
        ({"start": "2026-11-01"}, {"start": "2026-11-01", "compare": "previous"}),
        ({"days": "1", "compare": ""}, {"days": "1"}),
        ({"days": "1", "compare": "year"}, {"days": "1", "compare": "year"}),
        (
            {"days": "1", "compare": "", "include_bots": "false"},
            {"days": "1", "include_bots": "false"},
        ),
    ],
)
def test_what_is_chosen_is_asked_and_what_is_default_is_not(
    patch: dict[str, str], expected: dict[str, str]
) -> None:
    """Dates are asked as they are; parameters with the API's own default are left out."""
    modules = Modules("period.js")
    state = {**STATE, "days": "", **patch}
    asked = modules.run("(state) => periodOf(state, '2026-11-26T12:00:00Z', 'UTC')", state)
    assert asked == {"tz": "UTC", **expected}


@pytest.mark.parametrize(
    ("patch", "interval"),
    [
        ({"days": "1"}, "hourly"),
        ({"days": "7"}, "daily"),
        ({"days": "90"}, "daily"),
        ({"days": "7", "interval": "hourly"}, "hourly"),
        ({"days": "90", "interval": "monthly"}, "monthly"),
        ({"days": "", "start": "2026-11-25", "end": "2026-11-26"}, "hourly"),
        ({"days": "", "start": "2026-10-27", "end": "2026-11-26"}, "daily"),
        ({"days": "", "start": "2025-11-27"}, "weekly"),
        ({"days": "", "start": "2024-11-27"}, "monthly"),
    ],
)
def test_a_period_has_the_buckets_that_can_be_read(patch: dict[str, str], interval: str) -> None:
    """Hours of a day or two, days of a quarter, weeks of a year, or what is chosen."""
    run = "(state, at) => intervalOf(state, at)"
    found = Modules("period.js").run(run, {**STATE, **patch}, "2026-11-26T12:00:00Z")
    assert found == interval
