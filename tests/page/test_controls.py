"""What one chooses: by pointer, by keyboard, and by the address."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.api.servers import Server
from tests.page import community
from tests.page.fix_browser import Screen
from tests.page.fix_community import admin_token, member_token

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.page, pytest.mark.slow]


def query(screen: Screen) -> dict[str, str]:
    """The query of the address."""
    return {
        name: one
        for name, (one,) in parse_qs(
            urlsplit(screen.page.url).query, keep_blank_values=True
        ).items()
    }


def asked(screen: Screen) -> str:
    """The parameters of the last question for messages."""
    asks = [
        ask
        for one in screen.requests
        for ask in parse_qs(urlsplit(one.url).query).get("ask", [])
        if ask.startswith("/messages?")
    ]
    return asks[-1]


def focused(page: Page) -> dict[str, Any]:
    """The element with the focus: its name for people who do not see it, and its outline."""
    found: dict[str, Any] = page.evaluate(
        """() => {
          const element = document.activeElement;
          const shown = element.matches(".segments input") ? element.nextElementSibling : element;
          const { outlineStyle, outlineWidth } = getComputedStyle(shown);
          const labels = [...(element.labels ?? [])].map((one) => one.textContent);
          const name = element.ariaLabel ?? (labels.join(" ") || element.textContent);
          return {
            name: name.trim(),
            isOutlined: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
          };
        }"""
    )
    return found


@pytest.mark.parametrize(("key", "days"), [("1", "1"), ("7", "7"), ("9", "90"), ("3", None)])
def test_keys_choose_the_period(
    community_server: Server, screen: Screen, key: str, days: str | None
) -> None:
    """1, 7, 3 and 9; the default is left out of the address."""
    start = "?days=7" if key == "3" else ""
    screen.open(community_server.url, admin_token(), start)
    screen.page.keyboard.press(key)
    screen.settled()
    assert query(screen).get("days") == days


def test_c_compares_or_not(community_server: Server, screen: Screen) -> None:
    """Without a comparison no tile has a change."""
    screen.open(community_server.url, admin_token())
    assert "from" in screen.card("Messages").inner_text()
    screen.page.keyboard.press("c")
    screen.settled()
    assert query(screen) == {"compare": ""}
    assert "from" not in screen.card("Messages").inner_text()
    screen.page.keyboard.press("c")
    screen.settled()
    assert query(screen) == {}


def test_keys_do_nothing_where_one_writes(community_server: Server, screen: Screen) -> None:
    """Nor with a modifier, nor when they are turned off; that is remembered."""
    screen.open(community_server.url, admin_token())
    screen.page.get_by_label("Time zone").focus()
    screen.page.keyboard.press("7")
    screen.page.locator("main").focus()
    screen.page.keyboard.press("Control+7")
    assert query(screen) == {}
    screen.page.keyboard.press("?")
    screen.page.get_by_label("Single keys do this").uncheck()
    screen.page.keyboard.press("Escape")
    screen.page.reload()
    screen.settled()
    screen.page.keyboard.press("7")
    screen.page.keyboard.press("?")
    assert query(screen) == {}
    assert screen.page.locator("#help:popover-open").count() == 0


def test_the_help_opens_and_closes_by_keys(community_server: Server, screen: Screen) -> None:
    """`?` opens it, Escape closes it, and the focus is where it was."""
    screen.open(community_server.url, admin_token())
    screen.page.get_by_label("Bots").focus()
    screen.page.keyboard.press("?")
    screen.page.get_by_role("dialog", name="Help").get_by_text("close what is open").wait_for()
    screen.page.keyboard.press("Escape")
    assert screen.page.locator("#help:popover-open").count() == 0
    assert focused(screen.page)["name"] == "Bots"


def test_each_control_changes_the_address_and_the_question(
    community_server: Server, screen: Screen
) -> None:
    """Names and values of the API: compare, tz and include_bots."""
    screen.open(community_server.url, admin_token())
    screen.page.get_by_label("Compare with").select_option("year")
    screen.settled()
    assert "compare=year" in asked(screen)
    zone = screen.page.get_by_label("Time zone")
    zone.fill("asia/kathmandu")
    zone.press("Enter")
    screen.settled()
    assert zone.input_value() == "Asia/Kathmandu"
    assert "tz=Asia%2FKathmandu" in asked(screen)
    screen.page.get_by_label("Bots").uncheck()
    screen.settled()
    assert "include_bots=false" in asked(screen)
    chosen = {"compare": "year", "tz": "Asia/Kathmandu", "include_bots": "false"}
    assert query(screen) == chosen
    screen.page.go_back()
    screen.page.go_back()
    screen.settled()
    assert query(screen) == {"compare": "year"}
    assert zone.input_value() == "Europe/Berlin"
    assert screen.page.get_by_label("Bots").is_checked()
    screen.page.go_forward()
    screen.settled()
    assert query(screen) == {"compare": "year", "tz": "Asia/Kathmandu"}


def test_what_one_types_stays_while_the_page_changes(
    community_server: Server, screen: Screen
) -> None:
    """Half a zone is not overwritten when the page is drawn; one that is none is refused."""
    screen.open(community_server.url, admin_token())
    zone = screen.page.get_by_label("Time zone")
    zone.fill("Nowhere/Ci")
    screen.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    screen.page.wait_for_timeout(50)
    assert zone.input_value() == "Nowhere/Ci"
    zone.press("Enter")
    assert zone.evaluate("(field) => field.validationMessage") == (
        "Give a zone such as Europe/Berlin."
    )
    assert query(screen) == {}


def test_a_period_of_ones_own(community_server: Server, screen: Screen) -> None:
    """From a day to a day, both included, by keyboard; the button then says it."""
    last = community.NOW.date() - timedelta(days=10)
    first = last - timedelta(days=4)
    screen.open(community_server.url, admin_token())
    screen.page.get_by_role("button", name="Other dates").focus()
    screen.page.keyboard.press("Enter")
    form = screen.page.get_by_role("dialog", name="Other dates")
    form.get_by_label("First day").fill(last.isoformat())
    form.get_by_label("Last day").fill(first.isoformat())
    form.get_by_role("button", name="Show").press("Enter")
    assert query(screen) == {}
    form.get_by_label("First day").fill(first.isoformat())
    form.get_by_label("Last day").fill(last.isoformat())
    form.get_by_role("button", name="Show").press("Enter")
    screen.settled()
    assert query(screen) == {"start": first.isoformat(), "end": last.isoformat()}
    assert f"end={last}" in asked(screen)
    assert f"start={first}" in asked(screen)
    button = screen.page.locator("button.dates[popovertarget=dates]")
    assert button.get_attribute("aria-pressed") == "true"
    assert str(last.year) in button.inner_text()
    assert screen.page.locator(".segments input:checked").count() == 0
    assert screen.page.title() == f"{button.inner_text()} · Messenger analytics"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("?days=8&compare=never&interval=x&nothing=1", {}),
        ("?start=2026-02-31&days=7", {"days": "7"}),
        ("?days=7&tz=Asia/Atlantis", {"days": "7"}),
        ("?start=2999-01-01", {}),
        ("?start=2001-01-01&end=2026-01-01", {}),
        ("?tz=%E0%A4%A&days=90", {"days": "90"}),
    ],
)
def test_an_address_that_is_wrong_falls_back(
    community_server: Server, screen: Screen, wrong: str, right: dict[str, str]
) -> None:
    """What cannot be shown is the default, in the address too."""
    screen.open(community_server.url, admin_token(), wrong)
    assert query(screen) == right
    assert screen.page.locator(".failed").count() == 0
    assert screen.card("Messages").locator(".value").inner_text() != ""


def test_a_zone_of_the_browser_that_the_api_does_not_know(
    community_server: Server, new_screen: Any
) -> None:
    """The page shows UTC and says so."""
    screen = new_screen(zone="Etc/GMT+12")
    screen.page.route(
        "**/generation",
        lambda route: route.fulfill(json=route.fetch().json() | {"zones": ["UTC"]}),
    )
    screen.open(community_server.url, admin_token())
    assert screen.page.get_by_label("Time zone").input_value() == "UTC"
    assert "tz=UTC" in asked(screen)


def test_the_colors(community_server: Server, screen: Screen) -> None:
    """As the system, light, dark, and round again; the address has them."""
    screen.open(community_server.url, admin_token())
    back = "() => getComputedStyle(document.body).backgroundColor"
    light = screen.page.evaluate(back)
    button = screen.page.get_by_role("button", name=re.compile("^Colors"))
    button.click()
    assert (query(screen), screen.page.evaluate(back)) == ({"theme": "light"}, light)
    button.click()
    assert query(screen) == {"theme": "dark"}
    assert screen.page.evaluate(back) != light
    button.click()
    assert (query(screen), screen.page.evaluate(back)) == ({}, light)


def test_one_link_shows_each_what_they_may_see(community_server: Server, new_screen: Any) -> None:
    """An administrator's link opens for a member with the same view over their conversations."""
    link = "?days=90&compare=year"
    values = []
    for bearer in (admin_token(), member_token()):
        screen = new_screen()
        screen.open(community_server.url, bearer, link)
        assert query(screen) == {"days": "90", "compare": "year"}
        values.append(screen.card("Messages").locator(".value").inner_text())
    assert values[0] != values[1]


def test_reading_order_by_keyboard(community_server: Server, screen: Screen) -> None:
    """Tab goes through the page as one reads it, and one sees where the focus is."""
    screen.open(community_server.url, admin_token())
    stops = []
    for _ in range(12):
        screen.page.keyboard.press("Tab")
        stops.append(focused(screen.page))
    assert [one["name"] for one in stops if not one["isOutlined"]] == []
    names = [one["name"] for one in stops]
    assert names[0] == "Skip to the numbers"
    expected = [
        "30 days", "Other dates", "Compare with", "Time zone", "Bots", "As of", "Colors", "Help",
        "Sign out", 'How "Messages" is defined',
    ]  # fmt: skip
    rest = names[names.index("30 days") :]
    starts = [next(one for one in expected if name.startswith(one)) for name in rest]
    assert starts == expected[: len(rest)]
    assert len(rest) >= 10


def test_the_skip_link_leads_to_the_numbers(community_server: Server, screen: Screen) -> None:
    """It is the first stop, and asks nothing again."""
    screen.open(community_server.url, admin_token(), "?days=7")
    before = len([one for one in screen.requests if "/batch" in one.url])
    screen.page.keyboard.press("Tab")
    screen.page.keyboard.press("Enter")
    assert screen.page.evaluate("() => document.activeElement.id") == "main"
    screen.settled()
    assert len([one for one in screen.requests if "/batch" in one.url]) == before
    assert query(screen) == {"days": "7"}


@pytest.mark.parametrize("language", ["de-DE", "ar-EG"])
def test_other_languages_write_numbers_their_way(
    community_server: Server, new_screen: Any, language: str
) -> None:
    """The browser's language writes numbers and dates."""
    screen = new_screen(language=language)
    day = date(2026, 11, 1) if community.NOW.date() > date(2026, 11, 1) else community.NOW.date()
    screen.open(community_server.url, admin_token(), f"?start={day}&end={day}")
    assert screen.card("Messages").locator(".value").inner_text() != ""


@pytest.mark.parametrize("size", ["narrow", "phone", "desktop"])
def test_nothing_scrolls_sideways(community_server: Server, new_screen: Any, size: str) -> None:
    """Neither the page nor what opens over it is wider than the screen."""
    screen = new_screen(size)
    screen.open(community_server.url, admin_token(), "?start=2026-09-01&end=2026-11-12")
    width = screen.page.viewport_size["width"]
    # Charts are drawn again when their cards have found their width.
    screen.page.wait_for_function(
        "(width) => document.documentElement.scrollWidth <= width", arg=width
    )
    for target in ("dates", "help", "about-data"):
        screen.page.locator(f"[popovertarget={target}]").click()
        opened = screen.page.locator(f"#{target}")
        opened.locator(".wait").wait_for(state="detached")
        box = opened.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        screen.page.keyboard.press("Escape")
    screen.picture(f"header-{size}", whole=False)
