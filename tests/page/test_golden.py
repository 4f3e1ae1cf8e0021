"""Charts as stored files: any change of a picture is seen in a review.

`GOLDEN=write` in the environment rewrites them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.page.modules import Modules

GOLDEN = Path(__file__).with_name("golden")
CHARTS = Modules(
    "charts/time.js",
    "charts/flow.js",
    "charts/heatmap.js",
    "charts/poster.js",
    "charts/sparkline.js",
    "charts/svg_text.js",
)
DAYS = ["22 Nov", "23 Nov", "24 Nov", "25 Nov", "26 Nov"]
MESSAGES = [980, 1573, 0, 1204, 410]
RUNNING = [False, False, False, False, True]

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "bars_with_earlier_period": (
        "timeChart(given).tree",
        {
            "width": 420,
            "height": 180,
            "labels": DAYS,
            "partial": RUNNING,
            "sentence": "4,167 messages; most on 23 November.",
            "series": [
                {"className": "series-1", "kind": "bar", "values": MESSAGES},
                {
                    "className": "series-ghost",
                    "kind": "line",
                    "isGhost": True,
                    "values": [700, 900, 850, None, 300],
                },
            ],
        },
    ),
    "lines_with_a_gap": (
        "timeChart(given).tree",
        {
            "width": 320,
            "height": 160,
            "labels": DAYS,
            "partial": RUNNING,
            "sentence": "People active on a day and in 7 days.",
            "series": [
                {"className": "series-1", "kind": "area", "values": [40, 42, None, 39, 12]},
                {"className": "series-2", "kind": "line", "values": [None, 120, 121, 125, 124]},
            ],
        },
    ),
    "flow": (
        "flowChart(given).tree",
        {
            "width": 320,
            "height": 180,
            "labels": ["9 Nov", "16 Nov", "23 Nov"],
            "partial": [False, False, True],
            "sentence": "People who stayed, came back, are new, or left, by week.",
            "above": [
                {"className": "series-1", "values": [52, 60, 41]},
                {"className": "series-2", "values": [8, 0, 5]},
                {"className": "series-3", "values": [3, 6, 2]},
            ],
            "below": [{"className": "series-lost", "values": [12, 9, None]}],
        },
    ),
    "heatmap": (
        "heatmap(given).tree",
        {
            "width": 320,
            "rows": ["Mon", "Tue"],
            "columns": [f"{hour:02}" for hour in range(0, 24, 3)],
            "strides": [1, 2, 4],
            "sentence": "Busiest: Tue 12:00.",
            "values": [[0, 1, 2, 5, 8, 13, 7, 3], [1, 0, None, 6, 21, 13, 9, 4]],
        },
    ),
    "sparkline": (
        "sparkline(given)",
        {"width": 240, "height": 44, "values": [3, 5, 4, None, 6, 8, 2], "isPartial": True},
    ),
    "poster": (
        """poster({ ...given, tree: timeChart({ ...given, height: 120, format: String,
          labels: ["25 Nov", "26 Nov"],
          series: [{ className: "series-1", kind: "bar", values: [3, 5] }] }).tree })""",
        {
            "width": 300,
            "title": "Messages <over> time",
            "sentence": "8 messages.",
            "legend": [
                {"className": "series-1", "label": "this period: 8"},
                {"className": "series-ghost ghost", "label": "period before: 6"},
                {"className": "series-1 partial", "label": "hatched"},
            ],
            "notes": ["Generation 7, data through 26 Nov 2026, UTC."],
        },
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_chart_is_the_stored_picture(name: str) -> None:
    """Byte by byte; a file that opens as XML, with nothing in it that runs or loads."""
    expression, given = PICTURES[name]
    function = f"(given) => {{ given.format = String; return svgText({expression}, ''); }}"
    drawn = CHARTS.run(function, given).replace("><", ">\n<") + "\n"
    file = GOLDEN / f"{name}.svg"
    if os.environ.get("GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(drawn, encoding="utf-8")
    assert drawn == file.read_text(encoding="utf-8")
    elements = list(ElementTree.fromstring(drawn).iter())
    assert {element.tag.partition("}")[2] for element in elements} <= {
        "svg", "style", "g", "rect", "line", "path", "circle", "text"
    }  # fmt: skip
    attributes = {name for element in elements for name in element.attrib}
    assert not {
        name for name in attributes if name == "style" or "href" in name or name[:2] == "on"
    }
