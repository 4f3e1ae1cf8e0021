"""The page on paper: a report that one hands on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.api.servers import Server
from tests.page import community
from tests.page.fix_browser import PICTURES, Screen
from tests.page.fix_community import admin_token, member_token

pytestmark = [pytest.mark.page, pytest.mark.slow]

PAPERS = ("A4", "Letter")
# Marks the first and the last line of each card, to find them on the paper.
MARK_CARDS = """() => {
  const cards = [...document.querySelectorAll("main .card, .panel .card")].filter(
    (card) => card.checkVisibility());
  cards.forEach((card, i) => {
    for (const [place, words] of [["prepend", `begin${i}.`], ["append", `end${i}.`]]) {
      const mark = document.createElement("p");
      mark.textContent = words;
      card[place](mark);
    }
  });
  return cards.length;
}"""


@dataclass(frozen=True, slots=True)
class Report:
    """A printed page.

    Attributes:
        pages: the text of each sheet.
        sizes: of each text, in points.
    """

    pages: list[str]
    sizes: dict[str, float]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.pages)


def printed(screen: Screen, name: str, paper: str = "A4") -> Report:
    """What is on the paper."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path: Path = PICTURES / f"{name}-{paper}.pdf"
    screen.page.pdf(path=path, format=paper)
    sizes: dict[str, float] = {}

    def note(text: str, outer: list[float], inner: list[float], _: Any, size: float) -> None:
        if text.strip():
            sizes[text.strip()] = abs(size * inner[3] * outer[3])

    reader = PdfReader(path)
    pages = [page.extract_text(visitor_text=note) for page in reader.pages]
    return Report([re.sub(r"\s+", " ", page) for page in pages], sizes)


@pytest.fixture
def overview(community_server: Server, screen: Screen) -> Screen:
    """The administrator's overview."""
    screen.open(community_server.url, admin_token())
    return screen


def test_a_report_says_what_it_is_of(overview: Screen) -> None:
    """Title, period, comparison, zone, generation, end of the data, and who could see what."""
    first = printed(overview, "report").pages[0]
    head = first[: first.index("Messages")]
    through = overview.page.locator(".report").text_content() or ""
    for words in (
        "Messenger analytics",
        "whole site",
        "30 days, compared with the period before",
        "Time zone Europe/Berlin.",
        "Generation 1, data through ",
        "Seen by an administrator, whole site.",
    ):
        assert words in head
    assert "Generation 1, data through " in through
    assert overview.page.locator(".report").is_hidden()  # on the screen the header says it


def test_a_members_report_says_whose_it_is(community_server: Server, screen: Screen) -> None:
    """The paper says that it is not the whole site, and which time zone it uses."""
    screen.open(
        community_server.url,
        member_token(),
        "?start=2026-11-01&end=2026-11-02&tz=Asia/Tokyo&compare=",
    )
    first = printed(screen, "report-member").pages[0]
    assert f"Seen by {community.ALICE}, own conversations." in first
    assert "Time zone Asia/Tokyo." in first
    assert "compared" not in first[: first.index("Time zone")]


@pytest.mark.parametrize("paper", PAPERS)
def test_no_card_is_cut_in_two(overview: Screen, paper: str) -> None:
    """Each card begins and ends on one sheet, and all are there."""
    count = overview.page.evaluate(MARK_CARDS)
    report = printed(overview, "report-marked", paper)
    sheets = {
        mark: [i for i, page in enumerate(report.pages) if f"{mark}." in page]
        for number in range(count)
        for mark in (f"begin{number}", f"end{number}")
    }
    assert count > 10
    assert len(report.pages) > 1
    assert all(len(found) == 1 for found in sheets.values()), sheets
    cut = [n for n in range(count) if sheets[f"begin{n}"] != sheets[f"end{n}"]]
    assert cut == []


@pytest.mark.parametrize("paper", PAPERS)
def test_charts_are_redrawn_for_the_paper(overview: Screen, paper: str) -> None:
    """Labels have the size of the text beside them on any paper; then the screen is as before."""
    widths = (
        "() => [...document.querySelectorAll('svg.chart')].map((one) => one.getAttribute('width'))"
    )
    on_screen = overview.page.evaluate(widths)
    ticks = overview.page.locator("svg.chart .tick").all_text_contents()
    report = printed(overview, "report-charts", paper)
    sizes = [report.sizes[tick] for tick in ticks if tick in report.sizes]
    assert len(sizes) > 5
    assert all(8 <= size <= 10 for size in sizes), sizes
    assert overview.page.evaluate(widths) == on_screen


def test_nothing_that_one_could_press_is_printed(overview: Screen) -> None:
    """Buttons, fields and the age of the data are for the screen."""
    text = printed(overview, "report").text
    for words in ("Table", "Save", "weekly", "90 d", "vs. previous", "As of", "API", "min ago"):
        assert words not in text
    overview.page.emulate_media(media="print")
    controls = "button:not(.rank-row), select, input, textarea, a.skip"  # rows of lists are numbers
    assert overview.page.locator(controls).filter(visible=True).all_inner_texts() == []


@pytest.mark.parametrize("query", ["?theme=dark", "?theme=light"])
def test_paper_is_white(
    community_server: Server, new_screen: Callable[..., Screen], query: str
) -> None:
    """Also if the page is dark, by the system's setting or by the page's own."""
    screen = new_screen(theme="dark")
    screen.open(community_server.url, admin_token(), query)
    screen.page.emulate_media(media="print")
    colors = """() => [document.body, document.querySelector(".card")].map(
      (one) => getComputedStyle(one).backgroundColor)"""
    assert screen.page.evaluate(colors) == ["rgb(255, 255, 255)"] * 2
    ink = screen.page.evaluate("() => getComputedStyle(document.body).color")
    assert ink == "rgb(20, 26, 36)"


def test_a_table_is_printed_with_all_its_rows(overview: Screen) -> None:
    """What scrolls on the screen is complete on paper."""
    card = overview.card("Messages over time")
    card.get_by_role("button", name="Table").click()
    rows = card.locator("tbody tr").count()
    report = printed(overview, "report-table")
    labels = card.locator("tbody th").all_inner_texts()
    assert rows == len(labels) == 30
    assert [label for label in labels if label not in report.text] == []


def test_an_open_person_is_the_report(overview: Screen) -> None:
    """Of a drill-down the panel is printed with the head of a report, and not what is behind it."""
    person = overview.card("Top people").locator("ol button").first
    name = person.locator(".rank-name").inner_text()
    person.click()
    overview.page.locator(".panel .facts").wait_for()
    expect(overview.page.locator(".panel .wait:not([popover] *)")).to_have_count(0)
    # Arabic letters are on the paper in the forms that they have in a word.
    text = normalize("NFKC", printed(overview, "report-person").text)
    assert name in text
    assert "Time zone Europe/Berlin." in text
    assert "Generation 1, data through " in text
    assert "Do new people stay?" not in text
    assert "Close" not in text
