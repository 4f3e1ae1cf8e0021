"""What one does with a card: read its chart, see it as a table, and save it."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator

from tests.api.servers import Server
from tests.page import community
from tests.page.drawings import marks
from tests.page.fix_browser import Screen
from tests.page.fix_community import admin_token, answer, last_days

pytestmark = [pytest.mark.page, pytest.mark.slow]

DAYS = 30


@pytest.fixture
def overview(community_server: Server, screen: Screen) -> Screen:
    """The administrator's overview."""
    screen.open(community_server.url, admin_token())
    return screen


def of_page(server: Server, path: str, **parameters: Any) -> dict[str, Any]:
    """What the API says for the period of the page."""
    return answer(server, admin_token(), path, **period(server) | parameters)


def period(server: Server, days: int = DAYS) -> dict[str, str]:
    """The last days in Berlin, today so far among them: what the page asks for."""
    return last_days(server, "Europe/Berlin", days)


def saved(screen: Screen, title: str, kind: str) -> tuple[str, bytes]:
    """The name and the content of the file as which a card is saved."""
    card = screen.card(title)
    card.get_by_role("button", name="Save").click()
    with screen.page.expect_download() as download:
        card.get_by_role("button", name=kind, exact=True).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def rows_of(content: bytes) -> list[list[str]]:
    """The rows of a CSV file."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def test_a_table_has_the_numbers_of_the_api(community_server: Server, overview: Screen) -> None:
    """Instead of the chart, each bucket with its number; a second click brings the chart back."""
    card = overview.card("Messages over time")
    button = card.get_by_role("button", name="Table")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert card.locator("svg.chart").count() == 0
    shown = card.locator("tbody tr td:nth-child(2)").all_inner_texts()
    counts = [
        one["count"] for one in of_page(community_server, "/timeline", interval="daily")["timeline"]
    ]
    assert [int(text.replace(",", "")) for text in shown] == counts
    assert len(counts) == DAYS
    button.click()
    assert card.locator("svg.chart").count() == 1


def test_a_csv_file_has_the_numbers_of_the_api(community_server: Server, overview: Screen) -> None:
    """Opened by another reader, value by value, with the earlier period beside it."""
    name, content = saved(overview, "Messages over time", "CSV")
    assert name == "messages_over_time_generation-1.csv"
    assert content.startswith(b"\xef\xbb\xbf")
    head, *rows = rows_of(content)
    body = of_page(community_server, "/timeline", interval="daily", compare="previous")
    now, before = body["timeline"], body["compared"]["timeline"]
    columns = dict(zip(head, zip(*rows, strict=True), strict=True))
    assert list(columns["timestamp"]) == [one["timestamp"] for one in now]
    assert list(columns["count"]) == [str(one["count"]) for one in now]
    assert (
        list(columns["compared_count"])[: len(before)]
        == [str(one["count"]) for one in before][:DAYS]
    )


def test_a_csv_file_of_names_computes_nothing(community_server: Server, overview: Screen) -> None:
    """Somebody's name is a formula: the file has an apostrophe before it, and all other names."""
    room = str(community.conversation_id(community.MARKUP))
    overview.open(community_server.url, admin_token(), f"?days=90&conversation_id={room}")
    _, content = saved(overview, "Who writes here", "CSV")
    cells = {cell for row in rows_of(content) for cell in row}
    ninety = period(community_server, days=90)
    found = of_page(community_server, "/top-senders", conversation_id=room, **ninety)
    names = {one["username"] for one in found["top_senders"]}
    assert "=HYPERLINK(1)" in names
    assert "<b>bold</b>" in names
    assert cells >= names - {"=HYPERLINK(1)"} | {"'=HYPERLINK(1)"}
    assert "=HYPERLINK(1)" not in cells


def test_an_svg_file_shows_the_chart_with_its_colors(
    community_server: Server, overview: Screen
) -> None:
    """As many bars as buckets, as high as their numbers, colors and words in the file itself."""
    name, content = saved(overview, "Messages over time", "SVG")
    assert name == "messages_over_time_generation-1.svg"
    svg = content.decode()
    counts = [
        one["count"] for one in of_page(community_server, "/timeline", interval="daily")["timeline"]
    ]
    bars = [
        mark
        for mark in marks(svg, "bar")
        if "data-index" in mark.attributes or "partial" in mark.classes
    ]
    heights = [mark.box.height for mark in bars if mark.tag == "path"]
    assert len(heights) == DAYS
    tallest = max(counts)
    assert heights == pytest.approx([max(heights) * count / tallest for count in counts], abs=1.6)
    assert "<script" not in svg
    assert "var(" not in svg
    assert re.search(r"\.bar\.series-1\{fill:rgb\(", svg)
    words = " ".join(mark.text for mark in marks(svg, "tick"))
    assert "Generation 1, data through" in words
    assert "this period" in words
    (title,) = marks(svg, "poster-title")
    assert title.text == "Messages over time"


def test_a_png_file_is_the_picture_twice_as_large(overview: Screen) -> None:
    """An image of the chart's size in double pixels, in which the series' color is."""
    name, content = saved(overview, "Messages over time", "PNG")
    assert name == "messages_over_time_generation-1.png"
    found = overview.page.context.new_page().evaluate(
        """async (data) => {
          const image = new Image();
          image.src = `data:image/png;base64,${data}`;
          await image.decode();
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.width, image.height];
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          const pixels = context.getImageData(0, 0, image.width, image.height).data;
          const count = new Map();
          for (let i = 0; i < pixels.length; i += 4) {
            const color = pixels.slice(i, i + 3).join();
            count.set(color, (count.get(color) ?? 0) + 1);
          }
          return { width: image.width, count: [...count] };
        }""",
        base64.b64encode(content).decode(),
    )
    colors = dict(found["count"])
    assert found["width"] == 2 * (900 + 2 * 16)
    assert max(colors, key=colors.__getitem__) == "255,255,255"
    assert colors["59,92,223"] > 10_000  # series-1


def tip_of(card: Locator) -> str:
    """The values that are shown beside the mark."""
    return re.sub(r"\s+", " ", card.locator(".tip").inner_text())


def test_a_pointer_reads_the_values(community_server: Server, overview: Screen) -> None:
    """Over the third bar its day and its number are shown; beside the chart nothing is."""
    card = overview.card("Messages over time")
    bar = card.locator("svg.chart [data-index='2']")
    box = bar.bounding_box()
    assert box is not None
    bar.scroll_into_view_if_needed()
    bar.hover(force=True)
    third = of_page(community_server, "/timeline", interval="daily")["timeline"][2]
    assert str(third["count"]) in tip_of(card)
    overview.page.mouse.move(0, 0)
    assert card.locator(".tip").count() == 0


def test_arrow_keys_read_the_values(community_server: Server, overview: Screen) -> None:
    """From the first bucket to the last, shown and said; Escape ends it, and the focus stays."""
    card = overview.card("Messages over time")
    timeline = of_page(community_server, "/timeline", interval="daily")["timeline"]
    status = overview.page.get_by_role("status").first
    card.locator(".plot").focus()
    for key, index in (
        ("ArrowRight", 0),
        ("ArrowRight", 1),
        ("End", -1),
        ("ArrowLeft", -2),
        ("Home", 0),
    ):
        overview.page.keyboard.press(key)
        count = timeline[index]["count"]
        assert f" {count} " in f"{tip_of(card)} "
        assert f"messages {count}" in status.inner_text()
    overview.page.keyboard.press("Escape")
    assert card.locator(".tip").count() == 0
    assert overview.page.evaluate("() => document.activeElement.className") == "plot"


def test_arrow_keys_read_a_heatmap_in_two_directions(
    community_server: Server, overview: Screen
) -> None:
    """Down is the same hour of the next day, right the next hour; what is read is that cell."""
    card = overview.card("When people write")
    card.locator(".plot").focus()
    for key in ("Home", "ArrowRight", "ArrowDown"):
        overview.page.keyboard.press(key)
    assert re.search(r"Tue\w*,? 0?1:00", tip_of(card))
    mark, plot = card.locator(".cursor").bounding_box(), card.locator(".plot").bounding_box()
    assert mark is not None
    assert plot is not None
    assert mark["height"] < 40
    assert mark["y"] > plot["y"] + 20


LABELS = """() => [...document.querySelectorAll("svg.chart")].map((svg) => {
  const card = svg.closest(".card").getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text.tick")].map((text) => {
    const { left, right, top, bottom } = text.getBoundingClientRect();
    return { text: text.textContent, left, right, top, bottom };
  });
  return { left: card.left, right: card.right, texts };
})"""


@pytest.mark.parametrize("size", ["narrow", "phone", "desktop"])
def test_labels_are_legible_in_the_fonts_of_the_browser(
    community_server: Server,
    new_screen: Callable[..., Screen],
    size: Literal["narrow", "phone", "desktop"],
) -> None:
    """At 320 pixels too: no label touches another or leaves its card, nothing scrolls sideways."""
    screen = new_screen(size)
    screen.open(community_server.url, admin_token())
    assert screen.beyond_the_edge() == []
    charts = screen.page.evaluate(LABELS)
    assert len(charts) >= 4
    for chart in charts:
        for text in chart["texts"]:
            assert chart["left"] <= text["left"], text
            assert text["right"] <= chart["right"], text
        ordered = sorted(chart["texts"], key=lambda one: (round(one["top"]), one["left"]))
        for one, following in pairwise(ordered):
            is_beside = abs(one["top"] - following["top"]) < 2
            assert not is_beside or one["right"] <= following["left"], (one, following)


def test_charts_are_drawn_in_the_colors_that_a_system_forces(
    community_server: Server, new_screen: Callable[..., Screen]
) -> None:
    """Bars and lines stand out from the background, and the steps of heat still differ."""
    screen = new_screen(forced_colors="active")
    screen.open(community_server.url, admin_token())
    fills = screen.page.evaluate(
        """() => [...new Set([...document.querySelectorAll(".cell")].map((cell) => {
          const { fill, fillOpacity } = getComputedStyle(cell);
          return `${fill} ${fillOpacity}`;
        }))]"""
    )
    assert len(fills) >= 6
    bar, back = screen.page.evaluate(
        """() => [getComputedStyle(document.querySelector(".bar.series-1")).fill,
                  getComputedStyle(document.querySelector(".card")).backgroundColor]"""
    )
    assert bar != back


def test_a_reader_who_wants_contrast_gets_outlines(
    community_server: Server, new_screen: Callable[..., Screen]
) -> None:
    """Bars and cells have an edge, and the grid is as dark as the text."""
    screen = new_screen(contrast="more")
    screen.open(community_server.url, admin_token())
    strokes = screen.page.evaluate(
        """() => [".bar", ".cell", ".rule:not(.base)"].map(
          (name) => getComputedStyle(document.querySelector(name)).stroke)"""
    )
    assert strokes == ["rgb(20, 26, 36)"] * 3
