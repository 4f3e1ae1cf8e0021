"""Ranges and portions of UTC days: exactly the given days, as few as possible."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olap.days import ONE_DAY, DayRange, one_day, portions, ranges

LAST_MICROSECOND = datetime(9999, 12, 31, 23, 59, 59, 999_999)

# Days of a few weeks are often consecutive; days of all years never are.
a_few_weeks = st.dates(date(2026, 2, 1), date(2026, 3, 15))
last_days = st.dates(date.max - timedelta(days=9))
first_days = st.dates(max_value=date.min + timedelta(days=9))
days = st.lists(a_few_weeks | last_days | first_days | st.dates())
limits = st.integers(1, 40)


def days_of(window: DayRange) -> list[date]:
    """Every day of a range."""
    length = (window.last - window.first).days + 1
    return [window.first + timedelta(days=n) for n in range(length)]


@given(days)
def test_ranges_cover_exactly_the_given_days(given_days: list[date]) -> None:
    """The ranges hold each given day once, in order, and no other day."""
    covered = [day for window in ranges(given_days) for day in days_of(window)]
    assert covered == sorted(set(given_days))


@given(days)
def test_ranges_are_as_few_as_possible(given_days: list[date]) -> None:
    """No two ranges touch."""
    for left, right in pairwise(ranges(given_days)):
        assert right.first - left.last > ONE_DAY


@given(days, limits)
def test_portions_hold_exactly_the_given_days(given_days: list[date], at_most: int) -> None:
    """The portions hold each given day once, in order, and no other day."""
    portioned = [day for portion in portions(given_days, at_most=at_most) for day in portion]
    assert portioned == sorted(set(given_days))


@given(days, limits)
def test_portions_are_as_few_as_the_limit_allows(given_days: list[date], at_most: int) -> None:
    """Every portion but the last is full, and none is empty."""
    lengths = [len(portion) for portion in portions(given_days, at_most=at_most)]
    assert all(length == at_most for length in lengths[:-1])
    assert all(0 < length <= at_most for length in lengths)


def test_a_portion_is_31_days_consecutive_or_not() -> None:
    """The default limit is 31 days, scattered ones too."""
    every_other = [date(2026, 3, 1) + timedelta(days=2 * n) for n in range(32)]
    assert portions(every_other) == [every_other[:31], every_other[31:]]


def test_no_days_give_no_ranges() -> None:
    """No days are an empty list."""
    assert ranges([]) == []
    assert portions([]) == []


@given(st.dates(max_value=date.max - ONE_DAY))
def test_a_day_is_half_open(day: date) -> None:
    """A day is from its midnight, included, to the next midnight, excluded, without a zone."""
    window = one_day(day)
    assert window.since == datetime(day.year, day.month, day.day)
    assert window.until - window.since == timedelta(days=1)
    assert window.since.tzinfo is None
    assert window.until.tzinfo is None


@pytest.mark.parametrize("day", [date.min, date(1969, 12, 31), date(2024, 2, 29), date.max])
def test_a_range_knows_its_days(day: date) -> None:
    """A range contains its days and neither the day before nor the day after."""
    window = one_day(day)
    assert day in window
    assert day == date.min or day - ONE_DAY not in window
    assert day == date.max or day + ONE_DAY not in window


def test_the_first_day_has_bounds() -> None:
    """The year 1 begins with the first instant of datetime."""
    assert one_day(date.min).since == datetime(1, 1, 1)
    assert one_day(date.min).until == datetime(1, 1, 2)


def test_the_last_day_has_bounds() -> None:
    """The day 9999-12-31, without a next midnight, ends with its last microsecond."""
    assert one_day(date.max).since == datetime(9999, 12, 31)
    assert one_day(date.max).until == LAST_MICROSECOND
    assert DayRange(date(9999, 12, 30), date.max).until == LAST_MICROSECOND
