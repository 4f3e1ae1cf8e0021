"""Scales and labels of charts: exact ticks, and labels that never touch."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.page.modules import Modules

AXIS = Modules("charts/axis.js")

counts = st.integers(0, 10**9)
labels = st.lists(st.text("1N o.Wm月日", min_size=1, max_size=9), min_size=1, max_size=120)


def ticks(low: float, high: float, step: str = "wholeStep", wanted: int = 4) -> list[float]:
    """The ticks of a scale."""
    found = AXIS.run(f"(low, high, wanted) => ticks(low, high, wanted, {step})", low, high, wanted)
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0, [0, 1]),
        (0, 1, [0, 1]),
        (0, 3, [0, 1, 2, 3]),
        (0, 9, [0, 5, 10]),
        (0, 10, [0, 5, 10]),
        (0, 100, [0, 25, 50, 75, 100]),
        (0, 1573, [0, 500, 1000, 1500, 2000]),
        (-200, 1200, [-500, 0, 500, 1000, 1500]),
    ],
)
def test_ticks_are_numbers_that_one_would_write(
    low: float, high: float, expected: list[float]
) -> None:
    """A scale goes from the last round number below to the first above."""
    assert ticks(low, high) == expected


@given(below=counts, above=counts)
def test_ticks_of_counts_cover_them_in_equal_whole_steps(below: int, above: int) -> None:
    """Whole multiples of one step, few of them, 0 among them, and no step beyond the values."""
    found = ticks(-below, above)
    (step,) = {later - earlier for earlier, later in itertools.pairwise(found)}
    assert all(tick == int(tick) and tick % step == 0 for tick in found)
    assert 0 in found
    assert found[0] <= -below
    assert found[-1] >= above
    assert found[0] > -below - step
    assert found[-1] < above + step or found == [0, 1]
    assert 2 <= len(found) <= 7


@given(high=st.floats(1e-6, 1e6))
def test_ticks_of_fractions_are_exact_decimals(high: float) -> None:
    """No tick is 0.30000000000000004."""
    found = ticks(0, high, "decimalStep")
    assert found[-1] >= high
    assert all(len(Decimal(repr(tick)).normalize().as_tuple().digits) <= 3 for tick in found)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (50, [0, 15, 30, 45, 60]),
        (600, [0, 300, 600]),
        (7200, [0, 1800, 3600, 5400, 7200]),
        (700_000, [0, 432_000, 864_000]),
    ],
)
def test_ticks_of_durations_are_those_of_a_clock(seconds: float, expected: list[float]) -> None:
    """Quarters of a minute, minutes, hours, days; nobody reads 2,500 seconds."""
    assert ticks(0, seconds, "durationStep") == expected


def text_width(text: str) -> float:
    """About how wide a label is."""
    return float(AXIS.run("(text) => textWidth(text)", text))


FITTING = """({ labels, left, width, keep, strides }) => {
  const step = (width - left) / labels.length;
  const middle = (i) => left + step * (i + 0.5);
  return fitting({ labels, middle, width, keep, strides });
}"""


def fitting(given: dict[str, object]) -> list[tuple[int, float]]:
    """The indices and the middles of the labels that are shown."""
    return [(one["index"], one["x"]) for one in AXIS.run(FITTING, given)]


@given(labels, st.integers(60, 1600), st.sampled_from(["first", "last"]))
def test_labels_never_touch_and_stay_in_the_chart(texts: list[str], width: int, keep: str) -> None:
    """Whatever the labels and the width: a gap between all, none beyond an edge, one is there."""
    placed = fitting({"labels": texts, "left": 40, "width": width, "keep": keep})
    spans = [(x - text_width(texts[i]) / 2, x + text_width(texts[i]) / 2) for i, x in placed]
    assert all(later[0] - earlier[1] >= 8 - 1e-6 for earlier, later in itertools.pairwise(spans))
    if len(placed) > 1:
        assert spans[0][0] >= -1e-6
        assert spans[-1][1] <= width + 1e-6
    kept = 0 if keep == "first" else len(texts) - 1
    assert kept in [i for i, _ in placed]


@given(labels, st.integers(60, 1600))
def test_labels_that_are_shown_are_every_nth_one(texts: list[str], width: int) -> None:
    """The distance between two labels is always the same number of buckets."""
    indices = [i for i, _ in fitting({"labels": texts, "left": 40, "width": width, "keep": "last"})]
    assert len({later - earlier for earlier, later in itertools.pairwise(indices)}) <= 1


def test_hours_are_labeled_in_steps_that_divide_a_day() -> None:
    """Of 24 hours every sixth has a label where every fifth would fit."""
    hours = [f"{hour:02}" for hour in range(24)]
    given = {"labels": hours, "left": 40, "keep": "first", "strides": [1, 2, 3, 4, 6, 12]}
    shown = {
        width: [hours[i] for i, _ in fitting({**given, "width": width})] for width in (900, 170)
    }
    assert shown == {900: hours, 170: hours[::6]}


@given(st.text(max_size=60), st.integers(20, 300))
def test_a_long_name_is_cut_to_its_room(text: str, room: int) -> None:
    """What fits is unchanged; what is cut ends with an ellipsis and fits, but for one sign."""
    short = AXIS.run("(text, room) => shortened(text, room)", text, room)
    if text_width(text) <= room:
        assert short == text
    else:
        assert short.endswith("…")
        assert text_width(short) <= room or len(short) <= 2
        assert text.startswith(short[:-1])
