"""How the page writes numbers, times and changes; in Chromium, because `Intl` is the browser's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.page.modules import BrowserModules


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Iterator[BrowserModules]:
    """The module in a Chromium of another zone and language than those that are asked for."""
    page = chromium.new_page(timezone_id="Pacific/Apia", locale="fr-FR")
    yield BrowserModules(page, "format.js")
    page.close()


def written(
    browser: BrowserModules,
    name: str,
    *given: Any,
    language: str = "en-GB",
    zone: str = "Europe/Berlin",
) -> Any:
    """What a formatter writes; plain blanks for those that do not break."""
    run = f"(language, zone, given) => formats(language, zone).{name}(...given)"
    found = browser.run(run, language, zone, list(given))
    return found.replace("\xa0", " ").replace("\u202f", " ") if isinstance(found, str) else found


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("number", [30365], "30,365"),
        ("number", [0], "0"),
        ("number", [2.345], "2.3"),
        ("compact", [1478], "1,478"),
        ("compact", [25566], "25.6k"),
        ("compact", [3_450_000], "3.5m"),
        ("percent", [60.54], "60.5%"),
        ("percent", [100], "100%"),
        ("percent", [33.3, 0], "33%"),
        ("duration", [0], "0 s"),
        ("duration", [29], "29 s"),
        ("duration", [89], "89 s"),
        ("duration", [90], "2 min"),
        ("duration", [5399], "90 min"),
        ("duration", [5400], "1.5 h"),
        ("duration", [172_800], "2 d"),
        ("bucket", ["2026-11-02T23:00:00Z", "daily"], "3 Nov"),
        ("bucket", ["2026-11-02T23:00:00Z", "weekly"], "3 Nov"),
        ("bucket", ["2026-11-02T13:00:00Z", "hourly"], "14:00"),
        ("bucket", ["2026-10-31T23:00:00Z", "monthly"], "Nov 2026"),
        ("bucketLong", ["2026-11-02T13:00:00Z", "hourly"], "Mon, 2 Nov 2026, 14:00"),
        ("bucketLong", ["2026-11-01T23:00:00Z", "daily"], "Mon, 2 Nov 2026"),
        ("bucketLong", ["2026-11-01T23:00:00Z", "weekly"], "week of Mon, 2 Nov 2026"),
        ("bucketLong", ["2026-10-31T23:00:00Z", "monthly"], "November 2026"),
        ("instant", ["2026-11-26T23:22:29.560905Z"], "Fri, 27 Nov 2026, 00:22"),
        ("day", ["2026-11-26T23:22:29.560905Z"], "Fri, 27 Nov 2026"),
        ("time", ["2026-11-26T23:22:29.560905Z"], "00:22"),
        ("weekday", [1], "Mon"),
        ("weekday", [7], "Sun"),
    ],
)
def test_exactly_these_words(
    browser: BrowserModules, name: str, given: list[Any], expected: str
) -> None:
    """In English, for Berlin, wherever the browser is."""
    assert written(browser, name, *given) == expected


@pytest.mark.parametrize(
    "name", ["number", "compact", "percent", "duration", "instant", "day", "time"]
)
def test_what_nobody_knows_is_a_dash(browser: BrowserModules, name: str) -> None:
    """Null is never a zero, and no date of 1970."""
    assert written(browser, name, None) == "\u2013"


def test_language_and_zone_are_those_that_are_passed_in(browser: BrowserModules) -> None:
    """The same instant and number for a German in Kathmandu, and a Japanese in New York."""
    at = "2026-11-26T23:30:00Z"
    german = {"language": "de-DE", "zone": "Asia/Kathmandu"}
    assert written(browser, "instant", at, **german) == "Fr., 27. Nov. 2026, 05:15"
    assert written(browser, "number", 1234567.8, **german) == "1.234.567,8"
    assert written(browser, "percent", 60.5, **german) == "60,5 %"
    japanese = {"language": "ja-JP", "zone": "America/New_York"}
    assert written(browser, "day", at, **japanese) == "2026年11月26日(木)"
    assert written(browser, "bucket", at, "daily", **japanese) == "11月26日"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-120, "now"),
        (0, "now"),
        (59.9, "now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 hr ago"),
        (7 * 3600 + 3599, "7 hr ago"),
        (47 * 3600, "47 hr ago"),
        (48 * 3600, "2 days ago"),
    ],
)
def test_how_long_ago(browser: BrowserModules, seconds: float, expected: str) -> None:
    """Rounded down, so that it is never called older than it is; a slow clock sees no future."""
    now = 1_764_000_000_000
    assert written(browser, "ago", now - seconds * 1000, now) == expected


def change(browser: BrowserModules, *given: Any) -> tuple[str, str, str]:
    """The words of a change, its direction and its tone."""
    found = written(browser, "change", *given)
    return found["words"], found["direction"], found["tone"]


@pytest.mark.parametrize(
    ("now", "before", "rules", "expected"),
    [
        (119, 100, {}, ("↑ 19%", "up", "good")),
        (89, 100, {}, ("↓ 11%", "down", "bad")),
        (1033, 1000, {}, ("↑ 3.3%", "up", "good")),
        (5, 0, {}, ("new", "up", "good")),
        (0, 0, {}, ("unchanged", "flat", "neutral")),
        (0, 7, {}, ("↓ 100%", "down", "bad")),
        (100_010, 100_000, {}, ("about the same", "flat", "neutral")),
        (None, 7, {}, ("no earlier data", "flat", "neutral")),
        (7, None, {}, ("no earlier data", "flat", "neutral")),
        (300, 3, {}, ("↑ 9,900%", "up", "good")),
        # Where less is good, the words say so: no one guesses it from an arrow or a color.
        (29, 30, {"good": -1}, ("↓ 3.3% better", "down", "good")),
        (31, 30, {"good": -1}, ("↑ 3.3% worse", "up", "bad")),
        (5, 0, {"good": -1}, ("new", "up", "bad")),
        (119, 100, {"good": 0}, ("↑ 19%", "up", "neutral")),
        # Rates: 60.54 and 57.36 are shown as 60.5% and 57.4%, so their difference is 3.1.
        (60.54, 57.36, {"inPoints": True}, ("↑ 3.1 pt", "up", "good")),
        (57.36, 60.54, {"inPoints": True}, ("↓ 3.1 pt", "down", "bad")),
        (60.54, 60.46, {"inPoints": True}, ("unchanged", "flat", "neutral")),
        (5, 0, {"inPoints": True}, ("↑ 5 pt", "up", "good")),
    ],
)
def test_changes_in_words(
    browser: BrowserModules, now: Any, before: Any, rules: dict[str, Any], expected: tuple[str, ...]
) -> None:
    """An arrow, a size and a verdict, from what is shown and not from what is behind it."""
    assert change(browser, now, before, rules) == expected


def test_points_are_the_difference_of_what_is_shown(browser: BrowserModules) -> None:
    """The change of a rate is the difference of the two rates as the page rounds them."""
    function = """() => {
      const { percent, change } = formats("en", "UTC");
      const tenths = (text) => Math.round(10 * parseFloat(text));
      const wrong = [];
      for (let i = 0; i < 10_000; i += 7) {
        const [now, before] = [i / 100, ((i * 37) % 10_000) / 100];
        const { words, direction } = change(now, before, { inPoints: true });
        const sign = { up: 1, down: -1, flat: 0 }[direction];
        const points = sign === 0 ? 0 : sign * tenths(words.slice(2));
        const shown = tenths(percent(now)) - tenths(percent(before));
        if (points !== shown) wrong.push([now, before, words]);
      }
      return wrong;
    }"""
    assert browser.run(function) == []


def test_a_voice_does_not_read_arrows(browser: BrowserModules) -> None:
    """What is spoken has words for the direction."""
    assert written(browser, "change", 119, 100, {})["spoken"] == "up 19%"
    assert written(browser, "change", 29, 30, {"good": -1})["spoken"] == "down 3.3% better"
    assert written(browser, "change", 5, 0, {})["spoken"] == "new"


def test_a_zone_that_the_browser_does_not_know_is_not_used(browser: BrowserModules) -> None:
    """A link from elsewhere never breaks the page."""
    run = "(wanted) => usableZone(wanted, 'Asia/Tokyo')"
    zones = {
        wanted: browser.run(run, wanted) for wanted in ("Europe/Berlin", "Mars/Base", "", "UTC")
    }
    assert zones == {
        "Europe/Berlin": "Europe/Berlin",
        "Mars/Base": "Asia/Tokyo",
        "": "Asia/Tokyo",
        "UTC": "UTC",
    }
