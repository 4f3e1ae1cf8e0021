"""The charts: exactly these bars, lines, stacks and cells, wherever the numbers say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.page.drawings import Mark, marks, path_box, points_of
from tests.page.modules import Modules

CHARTS = Modules(
    "charts/axis.js",
    "charts/time.js",
    "charts/flow.js",
    "charts/heatmap.js",
    "charts/sparkline.js",
    "charts/svg_text.js",
)
TENTH = 0.11  # of a pixel: coordinates are rounded
STACKED = 1.3  # half a pixel of the grid, and a seam of 0.6 below each part

values = st.lists(st.none() | st.integers(0, 10**6), min_size=1, max_size=40)


def tick_texts(svg: str, anchor: str) -> list[str]:
    """The labels of a scale (`end`) or of the buckets (`middle`)."""
    found = [mark for mark in marks(svg, "tick") if mark.attributes["text-anchor"] == anchor]
    return [mark.text for mark in found]


def draw(chart: str, **given: Any) -> tuple[str, dict[str, Any]]:
    """The source of a chart, and its plot."""
    given = {"width": 640, "height": 240, "sentence": "A sentence.", **given}
    function = f"""(given) => {{
      const {{ tree, plot }} = {chart}({{ ...given, format: String }});
      return {{ svg: svgText(tree, ""), plot }};
    }}"""
    found = CHARTS.run(function, given)
    return found["svg"], found["plot"]


def over_time(series: list[dict[str, Any]], **given: Any) -> tuple[str, dict[str, Any]]:
    """A chart over time, with a label for each bucket."""
    count = len(series[0]["values"])
    return draw("timeChart", labels=[f"b{i}" for i in range(count)], series=series, **given)


def bars(numbers: list[int | None], **more: Any) -> dict[str, Any]:
    """A series of bars."""
    return {"className": "series-1", "kind": "bar", "values": numbers, **more}


def scale(svg: str) -> tuple[float, float]:
    """Where 0 is, and how many pixels one unit is, by the label that is farthest from it."""
    numbers = [float(text) for text in tick_texts(svg, "end")]
    ys = [float(mark.attributes["y1"]) for mark in marks(svg, "rule")]
    (base,) = [float(mark.attributes["y1"]) for mark in marks(svg, "rule", "base")]
    y, number = max(zip(ys, numbers, strict=True), key=lambda one: one[1])
    return base, abs(base - y) / number


def test_a_picture_has_its_sentence() -> None:
    """Who cannot see a chart is told what it says, by one element with the role of an image."""
    svg, _ = over_time([bars([1, 2])], sentence="3 messages; most on Tuesday.")
    (root,) = marks(svg, "chart")
    assert root.attributes["role"] == "img"
    assert root.attributes["aria-label"] == "3 messages; most on Tuesday."


def test_exactly_these_bars() -> None:
    """A bar for each number, none for what is unknown, in the middle of its bucket."""
    svg, plot = over_time([bars([0, 5, None, 10])])
    drawn = {int(mark.attributes["data-index"]): mark.box for mark in marks(svg, "bar")}
    assert sorted(drawn) == [0, 1, 3]
    base, unit = scale(svg)
    assert {i: round(box.height / unit, 1) for i, box in drawn.items()} == {0: 0, 1: 5, 3: 10}
    for i, box in drawn.items():
        middle = plot["left"] + (i + 0.5) * plot["step"]
        assert (box.left + box.right) / 2 == pytest.approx(middle, abs=TENTH)
        assert box.bottom == pytest.approx(base, abs=0.6)


@given(values, st.integers(120, 1600))
def test_bars_are_as_high_as_their_numbers(numbers: list[int | None], width: int) -> None:
    """Heights are proportional; only what would not be seen is made 1.5 pixels high."""
    svg, _ = over_time([bars(numbers)], width=width)
    _, unit = scale(svg)
    heights = {int(mark.attributes["data-index"]): mark.box.height for mark in marks(svg, "bar")}
    assert heights.keys() == {i for i, number in enumerate(numbers) if number is not None}
    for i, height in heights.items():
        number = numbers[i] or 0
        assert height == pytest.approx(max(1.5, number * unit) if number else 0, abs=1)


@given(st.integers(1, 400), st.integers(120, 1600))
def test_bars_never_overlap_and_stay_in_the_plot(count: int, width: int) -> None:
    """However many bars and however narrow the chart, each stays in its bucket."""
    svg, plot = over_time([bars([1] * count)], width=width)
    assume(plot["step"] >= 1)
    for i, mark in enumerate(marks(svg, "bar")):
        assert mark.box.left >= plot["left"] + i * plot["step"] - TENTH
        assert mark.box.right <= plot["left"] + (i + 1) * plot["step"] + TENTH


def test_several_bars_of_a_bucket_stand_side_by_side() -> None:
    """Two series of bars share the buckets and cover nothing of each other."""
    svg, _ = over_time([bars([3, 4]), bars([2, 5], className="series-2")])
    first = [mark.box for mark in marks(svg, "bar", "series-1")]
    second = [mark.box for mark in marks(svg, "bar", "series-2")]
    assert all(a.right <= b.left + TENTH for a, b in zip(first, second, strict=True))


def test_a_bar_that_is_not_over_is_hatched() -> None:
    """Lines within the bar, of the color of its series, and the others have none."""
    svg, _ = over_time([bars([4, 4, 2])], partial=[False, False, True])
    (partial,) = marks(svg, "bar", "partial")
    (hatch,) = marks(svg, "hatch")
    box, lines = partial.box, path_box(hatch.attributes["d"])
    assert len(points_of(hatch.attributes["d"])) >= 5
    assert lines.left >= box.left - TENTH
    assert lines.right <= box.right + TENTH
    assert lines.top >= box.top - TENTH
    assert lines.bottom <= box.bottom + TENTH
    for (x, y), (to_x, to_y) in points_of(hatch.attributes["d"]):
        assert x - to_x == pytest.approx(to_y - y, abs=0.3)  # 45 degrees


def line(numbers: list[int | None], **more: Any) -> dict[str, Any]:
    """A series that is a line."""
    return {"className": "series-1", "kind": "line", "values": numbers, **more}


def buckets(mark: Mark, plot: dict[str, Any]) -> list[int]:
    """The buckets that a line goes through."""
    (points,) = points_of(mark.attributes["d"])
    return [round((x - plot["left"]) / plot["step"] - 0.5) for x, _ in points]


def test_a_line_has_gaps_where_nothing_is_known() -> None:
    """Null is no zero: the line ends before it, and what stands alone is a dot."""
    svg, plot = over_time([line([1, 2, None, 3, None, 4, 5])])
    assert [buckets(mark, plot) for mark in marks(svg, "line")] == [[0, 1], [5, 6]]
    (dot,) = marks(svg, "dot")
    assert float(dot.attributes["cx"]) == pytest.approx(
        plot["left"] + 3.5 * plot["step"], abs=TENTH
    )


def test_the_way_to_a_bucket_that_is_not_over_is_dashed() -> None:
    """A cut first and last bucket is drawn dashed, with a dot; between them the line is whole."""
    svg, plot = over_time([line([1, 2, 3, 4, 2])], partial=[True, False, False, False, True])
    lines = {tuple(buckets(mark, plot)): "open" in mark.classes for mark in marks(svg, "line")}
    assert lines == {(1, 2, 3): False, (0, 1): True, (3, 4): True}
    assert len(marks(svg, "dot")) == 2


def test_the_earlier_period_is_one_dashed_line() -> None:
    """A ghost is over where the period is not; its missing end is a gap, its rest is cut off."""
    ghost = line([1, 2, None], className="series-ghost", isGhost=True)
    svg, plot = over_time([bars([1, 2, 3]), ghost], partial=[False, False, True])
    assert [buckets(mark, plot) for mark in marks(svg, "line", "ghost")] == [[0, 1]]
    longer = {**ghost, "values": [1, 2, 3, 400]}
    svg, plot = over_time([bars([1, 2, 3]), longer], partial=[False, False, True])
    assert [buckets(mark, plot) for mark in marks(svg, "line", "ghost")] == [[0, 1, 2]]
    assert "400" not in [mark.text for mark in marks(svg, "tick")]


def test_an_area_is_tinted_down_to_the_base_line() -> None:
    """Below a line of what is whole; what is not over has no tint."""
    svg, plot = over_time([line([2, 4, 3], kind="area")], partial=[False, False, True])
    (area,) = marks(svg, "area")
    (line_mark,) = [mark for mark in marks(svg, "line") if "open" not in mark.classes]
    base, _ = scale(svg)
    assert buckets(line_mark, plot) == [0, 1]
    assert area.box.bottom == pytest.approx(base, abs=0.6)
    assert (area.box.left, area.box.right) == (line_mark.box.left, line_mark.box.right)


@given(values, st.data())
def test_each_known_value_of_a_line_is_drawn(
    numbers: list[int | None], data: st.DataObject
) -> None:
    """Each bucket that is known is on a line or a dot, at the height of its number; no other is."""
    partial = data.draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers)))
    svg, plot = over_time([line(numbers)], partial=partial)
    base, unit = scale(svg)
    points = [
        p for mark in marks(svg, "line") for part in points_of(mark.attributes["d"]) for p in part
    ]
    points += [
        (float(dot.attributes["cx"]), float(dot.attributes["cy"])) for dot in marks(svg, "dot")
    ]
    drawn = {round((x - plot["left"]) / plot["step"] - 0.5): y for x, y in points}
    known = {i: number for i, number in enumerate(numbers) if number is not None}
    assert drawn.keys() == known.keys()
    for i, y in drawn.items():
        assert y == pytest.approx(base - known[i] * unit, abs=1)


def test_stacks_stand_on_the_line_and_hang_below_it() -> None:
    """Each part begins where the one before it ends; what is lost goes down."""
    svg, _ = draw(
        "flowChart",
        labels=["w1", "w2"],
        above=[
            {"className": "series-1", "values": [100, 50]},
            {"className": "series-2", "values": [20, 0]},
        ],
        below=[{"className": "series-lost", "values": [40, None]}],
        partial=[False, True],
    )
    base, unit = scale(svg)
    stayed, partial = marks(svg, "bar", "series-1")
    (returned,) = marks(svg, "bar", "series-2")  # nothing is no bar
    (left,) = marks(svg, "bar", "series-lost")  # nor is what is not known yet
    assert stayed.box.bottom == pytest.approx(base, abs=STACKED)
    assert returned.box.bottom == pytest.approx(stayed.box.top, abs=STACKED)
    assert left.box.top == pytest.approx(base, abs=STACKED)
    for mark, number in ((stayed, 100), (returned, 20), (left, 40), (partial, 50)):
        assert mark.box.height == pytest.approx(number * unit, abs=STACKED)
    assert [mark.classes for mark in marks(svg, "faint")] == [partial.classes]


@given(
    st.lists(st.tuples(*[st.integers(0, 10**6)] * 4), min_size=1, max_size=20),
)
def test_a_stack_is_as_high_as_its_sum(rows: list[tuple[int, ...]]) -> None:
    """From the line to the top of a stack is the sum of its parts, to the bottom what was lost."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    svg, plot = draw(
        "flowChart",
        labels=["w"] * len(rows),
        above=[
            {"className": f"series-{i}", "values": column}
            for i, column in enumerate(columns[:3], 1)
        ],
        below=[{"className": "series-lost", "values": columns[3]}],
    )
    base, unit = scale(svg)
    for i, row in enumerate(rows):
        middle = plot["left"] + (i + 0.5) * plot["step"]
        boxes = [mark.box for mark in marks(svg, "bar") if mark.box.left < middle < mark.box.right]
        top = min([base, *(box.top for box in boxes)])
        bottom = max([base, *(box.bottom for box in boxes)])
        assert base - top == pytest.approx(sum(row[:3]) * unit, abs=STACKED)
        assert bottom - base == pytest.approx(row[3] * unit, abs=STACKED)
        assert plot["top"] - TENTH <= top
        assert bottom <= plot["top"] + plot["height"] + TENTH + 0.5


def steps(numbers: Sequence[int | None]) -> list[int]:
    """The step of heat of each number."""
    found = CHARTS.run("(values) => values.map(heatSteps(values))", list(numbers))
    assert isinstance(found, list)
    return found


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=200, unique=True))
def test_different_numbers_are_six_groups_of_one_size(numbers: list[int]) -> None:
    """By rank, so a peak makes nothing else pale: each step has a sixth of the cells."""
    sizes = Counter(steps(numbers))
    assert set(sizes) <= {1, 2, 3, 4, 5, 6}
    sixth = len(numbers) / 6
    assert all(math.floor(sixth) <= size <= math.ceil(sixth) for size in sizes.values())


@given(st.lists(st.integers(0, 20), max_size=200))
def test_equal_numbers_have_equal_steps_and_larger_ones_none_lower(numbers: list[int]) -> None:
    """A step depends on the number alone, rises with it, and is 0 for 0 and only for it."""
    found = dict(zip(numbers, steps(numbers), strict=True))
    assert steps(numbers) == [found[number] for number in numbers]
    ordered = [found[number] for number in sorted(found)]
    assert ordered == sorted(ordered)
    assert all((step == 0) == (number == 0) for number, step in found.items())


def test_a_peak_hides_nothing() -> None:
    """One cell of a million leaves the steps of the others as they are."""
    assert steps([1, 2, 3, 4, 5, 6]) == steps([1, 2, 3, 4, 5, 10**6]) == [1, 2, 3, 4, 5, 6]


def test_exactly_these_cells() -> None:
    """Row by row, at the place that the plot tells; nothing is gray, the unknown an outline."""
    svg, plot = draw(
        "heatmap", rows=["Mon", "Tue"], columns=["00", "01", "02"], values=[[1, 2, 0], [3, None, 4]]
    )
    cells = marks(svg, "cell")
    shown = [next(name for name in mark.classes if name != "cell") for mark in cells]
    assert shown == ["heat-1", "heat-2", "heat-0", "heat-4", "heat-unknown", "heat-5"]
    rows = plot["rows"]
    for i, mark in enumerate(cells):
        row, column = divmod(i, plot["count"])
        assert mark.box.left == pytest.approx(plot["left"] + column * plot["step"], abs=TENTH)
        assert mark.box.top == pytest.approx(rows["top"] + row * rows["step"], abs=TENTH)
        assert mark.box.right < plot["left"] + (column + 1) * plot["step"]
        assert mark.box.bottom < rows["top"] + (row + 1) * rows["step"]


def test_a_strip_of_minutes_has_low_cells_and_cut_names() -> None:
    """Event types by 60 minutes on a phone: long names are cut, the cells stay in the chart."""
    svg, plot = draw(
        "heatmap",
        width=280,
        cellHeight=16,
        rows=["message.sent", "a.type.with.a.name.that.is.very.long.indeed"],
        columns=[f"12:{minute:02}" for minute in range(60)],
        values=[[1] * 60, [2] * 60],
        strides=[5, 10, 15, 30],
    )
    names = tick_texts(svg, "end")
    minutes = tick_texts(svg, "middle")
    assert [name.endswith("…") for name in names] == [False, True]
    assert minutes == ["12:00", "12:30"]
    assert plot["height"] == 32
    assert max(mark.box.right for mark in marks(svg, "cell")) <= 280


def test_a_sparkline_is_a_line_whose_last_piece_may_be_dashed() -> None:
    """Nothing for assistive technology; a gap where nothing is known."""
    run = "(given) => svgText(sparkline(given), '')"
    svg = CHARTS.run(
        run, {"width": 100, "height": 40, "values": [1, 3, None, 2, 4, 1], "isPartial": True}
    )
    (root,) = marks(svg, "sparkline")
    assert root.attributes["aria-hidden"] == "true"
    shown = [(mark.box.left, mark.box.right, "open" in mark.classes) for mark in marks(svg, "line")]
    assert shown == [(3, 21.8, False), (59.4, 78.2, False), (78.2, 97, True)]


@pytest.mark.parametrize("chart", ["timeChart", "flowChart", "heatmap"])
@pytest.mark.parametrize("width", [0, 60, 320])
def test_nothing_and_no_room_are_charts_too(chart: str, width: int) -> None:
    """Without a bucket, or before there is a width, all coordinates are numbers."""
    svg, plot = draw(
        chart,
        width=width,
        labels=[],
        series=[bars([])],
        above=[{"className": "series-1", "values": []}],
        rows=[],
        columns=[],
        values=[],
    )
    assert "NaN" not in svg
    assert "Infinity" not in svg
    assert plot["count"] == 0
    assert plot["step"] > 0
