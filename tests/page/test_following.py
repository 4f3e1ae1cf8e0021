"""A new generation while somebody looks: no mix of two, and nothing of what they do is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.page.fix_browser import Screen
from tests.page.fix_community import Site, admin_token, member_token

pytestmark = [pytest.mark.page, pytest.mark.slow]

# Notes the number of messages and the time of the data each time that something changes.
WATCH = """() => {
  globalThis.seen = [];
  globalThis.glowed = new Set();
  const note = () => {
    const text = (selector) => document.querySelector(selector)?.textContent ?? "";
    const now = `${text(".tile .value")} ${text(".pill").slice(0, 11)}`;
    if (globalThis.seen.at(-1) !== now) globalThis.seen.push(now);
    for (const one of document.querySelectorAll(".is-new h2")) {
      globalThis.glowed.add(one.textContent);
    }
  };
  note();
  new MutationObserver(note).observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true,
  });
}"""
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  Object.defineProperty(document, "visibilityState", {
    configurable: true, get: () => (hidden ? "hidden" : "visible"),
  });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def value(screen: Screen) -> str:
    """The number of messages."""
    return screen.card("Messages").locator(".value").inner_text()


def wait_for_another(screen: Screen, before: str) -> None:
    """Wait until the number of messages is another one."""
    screen.page.wait_for_function(
        "(before) => document.querySelector('.tile .value')?.textContent !== before", arg=before
    )


def test_a_new_generation_replaces_all_at_once(site: Site, screen: Screen) -> None:
    """In one frame: no number of one generation stands beside the time of another; what changed
    glows, what did not does not, and it is said once."""
    screen.open(site.url, admin_token())
    before = value(screen)
    screen.page.evaluate(WATCH)
    site.publish(messages=3)
    wait_for_another(screen, before)
    seen: list[str] = screen.page.evaluate("() => globalThis.seen")
    assert len(seen) == 2, seen
    assert screen.page.get_by_role("status").first.inner_text().startswith("New numbers, as of ")
    glowed: list[str] = screen.page.evaluate("() => [...globalThis.glowed]")
    assert {"Messages", "Messages over time"} <= set(glowed)
    assert "New accounts" not in glowed
    screen.page.wait_for_function("() => document.querySelector('.is-new') === null")


def test_what_one_does_stays(site: Site, screen: Screen) -> None:
    """The focus, the place, open tables and open popovers are the same elements as before."""
    screen.open(site.url, admin_token())
    before = value(screen)
    card = screen.card("Top people")
    card.get_by_role("button", name="Table").click()
    card.get_by_role("button", name="Table").focus()
    screen.page.evaluate("() => window.scrollTo(0, 700)")
    screen.page.evaluate("() => document.getElementById('about-data').showPopover()")
    screen.page.get_by_role("heading", name="Generation 1").wait_for()
    screen.page.evaluate(
        """() => { globalThis.kept = [document.activeElement, scrollY,
             document.querySelector(".scroll"), document.querySelector(":popover-open")]; }"""
    )
    site.publish(messages=3)
    wait_for_another(screen, before)
    assert screen.page.get_by_role("heading", name="Generation 2").is_visible()
    same: list[bool] = screen.page.evaluate(
        """() => [document.activeElement, scrollY,
             document.querySelector(".scroll"), document.querySelector(":popover-open")]
             .map((one, i) => one === globalThis.kept[i] && one !== null)"""
    )
    assert same == [True, True, True, True]


def test_an_open_person_stays_open(site: Site, screen: Screen) -> None:
    """The drill-down shows the new numbers in the same panel."""
    screen.open(site.url, admin_token(), "?days=7&user_id=1")
    screen.page.locator("dialog[open] svg.chart").first.wait_for()
    screen.page.evaluate("() => { globalThis.panel = document.querySelector('dialog[open]'); }")
    before = value(screen)
    site.publish(messages=3)
    wait_for_another(screen, before)
    assert screen.page.evaluate("() => document.querySelector('dialog[open]') === globalThis.panel")
    assert "user_id=1" in screen.page.url


def test_a_member_follows_too(site: Site, screen: Screen) -> None:
    """The generation is told to everybody."""
    screen.open(site.url, member_token())
    before = value(screen)
    site.publish(messages=3)
    wait_for_another(screen, before)


def test_a_hidden_tab_waits(site: Site, screen: Screen) -> None:
    """It asks nothing while nobody looks, and shows the newest when somebody does."""
    screen.open(site.url, admin_token())
    before = value(screen)
    screen.page.evaluate(HIDE, True)
    asked = len([one for one in screen.requests if "/batch" in one.url])
    site.publish(messages=3)
    screen.page.wait_for_timeout(3000)
    assert len([one for one in screen.requests if "/batch" in one.url]) == asked
    assert value(screen) == before
    screen.page.evaluate(HIDE, False)
    wait_for_another(screen, before)


def test_a_change_of_the_view_while_a_generation_comes(
    new_site: Callable[..., Site], new_screen: Any
) -> None:
    """A view that is chosen while the next generation loads is shown, and is of that generation."""
    site, screen = new_site(), new_screen()
    screen.open(site.url, admin_token())
    routes: list[Any] = []
    screen.page.route("**/batch?*generation=2*", lambda route: routes.append(route))
    site.publish(messages=3)
    while not routes:
        screen.page.wait_for_timeout(20)
    screen.page.keyboard.press("7")
    while len(routes) < 2:
        screen.page.wait_for_timeout(20)
    routes[-1].continue_()
    screen.page.unroute("**/batch?*generation=2*")
    screen.page.locator(".pill").click()
    screen.page.get_by_role("heading", name="Generation 2").wait_for()
    assert screen.page.get_by_label("7 days", exact=True).is_checked()
