"""Files that are saved: their names, and pictures that stand alone."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.page.drawings import marks
from tests.page.modules import Modules

SAVE = Modules("save.js", "charts/time.js", "charts/poster.js", "charts/svg_text.js")
HOSTILE = "<script>alert(1)</script>&\"'\x00\x1b]]>\U0001f600"


@given(st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=200))
def test_no_name_makes_a_program_of_a_file(name: str) -> None:
    """Letters and digits of any script, then the generation, then an ending of ours."""
    found = SAVE.run("(name) => fileName(name, 7, 'csv')", name)
    stem = found.removesuffix("_generation-7.csv")
    assert stem != found
    assert stem.replace("_", "a").isalnum()
    assert len(stem) <= 80
    assert found.count(".") == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Messages over time", "messages_over_time_generation-7.svg"),
        ("../../etc/passwd", "etc_passwd_generation-7.svg"),
        ("report.exe\u202egvs.", "report_exe_gvs_generation-7.svg"),
        ("日本語チャット", "日本語チャット_generation-7.svg"),
        ("=+-@", "table_generation-7.svg"),
        ("a" * 200, f"{'a' * 80}_generation-7.svg"),
    ],
)
def test_exactly_these_names(name: str, expected: str) -> None:
    """Paths, endings and signs that turn the writing around are gone."""
    assert SAVE.run("(name) => fileName(name, 7, 'svg')", name) == expected


POSTER = """(given) => {
  const chart = timeChart({
    width: 600, height: 200, labels: ["1 Nov", "2 Nov"], format: String, sentence: given.sentence,
    series: [{ className: "series-1", kind: "bar", values: [3, 5] }],
  });
  return svgText(poster({ tree: chart.tree, width: 600, ...given }), given.style ?? "");
}"""


def poster(**given: Any) -> str:
    """A saved chart."""
    given = {"title": "Messages", "sentence": "8 messages.", "notes": ["Generation 7."], **given}
    return str(SAVE.run(POSTER, given))


def test_a_picture_says_what_it_is_of() -> None:
    """Title, legend, chart and source, one below the other, within the picture."""
    legend = [
        {"className": "series-1", "label": "this period: 8"},
        {"className": "series-ghost ghost", "label": "period before: 6"},
        {"className": "heat-3", "label": "some"},
    ]
    svg = poster(legend=legend, notes=["Average of 30 days.", "Generation 7."])
    root = ElementTree.fromstring(svg)
    texts = {element.text: float(element.attrib["y"]) for element in root if element.text}
    order = ["Messages", "this period: 8", "Average of 30 days.", "Generation 7."]
    assert sorted(order, key=texts.__getitem__) == order
    assert texts["Generation 7."] < float(root.attrib["height"])
    assert len(marks(svg, "line", "ghost")) == len(marks(svg, "cell", "heat-3")) == 1
    assert len(marks(svg, "bar", "series-1")) == 3  # two, and the one of the legend


def test_a_long_legend_is_wrapped() -> None:
    """Twelve long items take several lines, and none is beyond the edge."""
    legend = [{"className": "series-1", "label": f"a rather long name {i}"} for i in range(12)]
    svg = poster(legend=legend)
    items = [m for m in ElementTree.fromstring(svg) if (m.text or "").startswith("a rather")]
    assert len({item.attrib["y"] for item in items}) > 1
    assert max(float(item.attrib["x"]) for item in items) < 500


def test_a_file_is_xml_without_a_script_whatever_the_texts_are() -> None:
    """Markup, quotes, control characters and styles in names are text."""
    svg = poster(
        title=HOSTILE,
        sentence=HOSTILE,
        notes=[HOSTILE],
        legend=[{"className": "series-1", "label": HOSTILE}],
        style="</style><script>alert(1)</script>",
    )
    root = ElementTree.fromstring(svg)
    tags = {element.tag.partition("}")[2] for element in root.iter()}
    assert tags == {"svg", "style", "rect", "text", "g", "line", "path"}
    names = {name for element in root.iter() for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name for name in names)
    assert HOSTILE.replace("\x00", "").replace("\x1b", "") in [
        element.text for element in root.iter()
    ]


@pytest.mark.parametrize("tag", ["script", "foreignObject", "a", "image", "use", "animate"])
def test_what_does_not_draw_is_refused(tag: str) -> None:
    """An element that could run or load something is an error, not a file."""
    function = f"""() => {{
      const child = {{ type: "{tag}", props: {{}} }};
      try {{
        svgText({{ type: "svg", props: {{ children: child }} }}, "");
      }} catch (error) {{
        return error.message;
      }}
    }}"""
    assert SAVE.run(function) == f"{tag} is no element of a drawing"


def test_listeners_and_absent_attributes_are_not_written() -> None:
    """What is for the page alone stays there."""
    props = "{ onClick: () => {}, x: null, y: undefined, width: 5 }"
    svg = SAVE.run(f"() => svgText({{ type: 'svg', props: {props} }}, '')")
    assert svg == '<svg xmlns="http://www.w3.org/2000/svg" width="5"><style></style></svg>'


def test_a_style_sheet_has_the_computed_styles_of_the_classes() -> None:
    """One rule for each list of classes, with the values that the browser has computed."""
    function = """(lists) => {
      const elements = lists.map((list) => ({ getAttribute: () => list }));
      const styleOf = (element) => ({
        getPropertyValue: (name) => `${name} of ${element.getAttribute()}`,
      });
      return styleSheetOf(elements, styleOf);
    }"""
    sheet = SAVE.run(function, ["bar series-1", None, "tick", "bar series-1", " line  open "])
    assert sheet.count("{") == 4  # with the font
    assert ".bar.series-1{fill:fill of bar series-1;" in sheet
    assert ".line.open{" in sheet
