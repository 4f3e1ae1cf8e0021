"""Tables that are saved: exact values for programs, and nothing that a spreadsheet computes."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.csv_form import without_formulas
from tests.page.modules import Modules

CSV = Modules("csv.js")
# The two know different versions of Unicode: what one calls unassigned the other may not.
texts = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=30)
dangerous = st.text(
    st.sampled_from(list("=+-@\u2212\uff1d \t\r\n;,\"'\u200b\u3164a1")), max_size=12
)


def saved(names: list[str], rows: list[list[Any]]) -> str:
    """The text of a file."""
    table = {"columns": [{"name": name} for name in names], "rows": rows}
    return str(CSV.run("(table) => csv(table)", table))


def opened(text: str) -> list[list[str]]:
    """What Python's own reader finds in it."""
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))


def test_exactly_this_file() -> None:
    """A byte order mark, names, CRLF; values as the API has them; what is unknown is empty."""
    rows = [["2026-11-26T00:00:00Z", 1573, 0.25, True, None], ['a "b", c', -5, 0, False, 'é"']]
    assert saved(["timestamp", "count", "share", "is_partial", "before"], rows) == (
        "\ufefftimestamp,count,share,is_partial,before\r\n"
        "2026-11-26T00:00:00Z,1573,0.25,true,\r\n"
        '"a ""b"", c",-5,0,false,"é"""\r\n'
    )


@given(st.lists(st.lists(texts | st.integers(-(2**53), 2**53), min_size=3, max_size=3), max_size=5))
def test_any_table_is_opened_as_it_was(rows: list[list[str | int]]) -> None:
    """Commas, quotes and line breaks in names break no row."""
    expected = [
        [without_formulas(str(v)) if isinstance(v, str) else str(v) for v in row] for row in rows
    ]
    assert opened(saved(["a", "b", "c"], rows)) == [["a", "b", "c"], *expected]


@given(texts | dangerous)
def test_formulas_are_found_as_the_api_finds_them(text: str) -> None:
    """The rule is the API's, sign by sign."""
    assert CSV.run("(text) => withoutFormulas(text)", text) == without_formulas(text)


@pytest.mark.parametrize(
    "name",
    [
        "=HYPERLINK(1)",
        "@SUM(A1)",
        " +1",
        "-2+3",
        "\u22121",
        "\uff1d1",
        "\u200b=1",
        '"=1',
        "a;=1",
        "a\n=1",
        "\t=1",
    ],
)
def test_no_cell_begins_with_a_formula(name: str) -> None:
    """Whatever separator a reader takes, no cell begins with a sign that computes."""
    (_, (cell,)) = opened(saved(["name"], [[name]]))
    parts = [part for line in cell.splitlines() for part in re.split("[;\t]", line)]
    shown = [
        "".join(c for c in part if unicodedata.category(c)[0] != "C").strip(' "') for part in parts
    ]
    assert not any(part[:1] in ("=", "+", "-", "@", "\u2212", "\uff1d") for part in shown if part)
    assert "'" in cell


def test_a_list_is_one_cell() -> None:
    """With semicolons between its texts, as the API does, each of them harmless."""
    assert saved(["names"], [[["ann", "=bob"]]]).splitlines()[1] == "ann;' =bob"
