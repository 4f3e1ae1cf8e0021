"""The page follows the data: a new generation, the stream and its loss, and what happens now."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from api.app import PREFIX
from api.auth import Role
from tests.api.servers import Server
from tests.api.tokens import token
from tests.own_servers import OwnValkey
from tests.page.fix_browser import AWAY, Screen
from tests.page.fix_community import Site, admin_token, member_token
from tests.world import World, uuid

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.page, pytest.mark.slow]

WAIT_SECONDS = 120
# Right now is on the dashboard that comes with this version.
OPERATIONS = "?dashboard=operations"


def until(condition: Callable[[], object], page: Page) -> None:
    """Wait until a condition holds, while the page goes on."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def streams(running: Server) -> int:
    """How many streams a server has open."""
    text = httpx.get(f"{running.url}/metrics", timeout=300).text
    found = re.search(r'^analytics_streams\{kind="stream"\} (\d+)', text, re.MULTILINE)
    return 0 if found is None else int(found[1])


def generation_of(screen: Screen) -> str:
    """The generation that the page says it shows; that is in a popover, which is opened."""
    heading = screen.page.locator("#about-data h3")
    if heading.count() == 0:
        screen.page.evaluate("() => document.getElementById('about-data').showPopover()")
        heading.wait_for()
    return heading.text_content() or ""


def test_the_page_follows_a_new_generation(site: Site, screen: Screen) -> None:
    """All numbers change together; focus, scroll, an open table and an open popover stay."""
    screen.open(site.url, admin_token(), "?days=7")
    page = screen.page
    until(lambda: streams(site.server) == 1, page)
    before = screen.card("Messages").locator(".value").inner_text()
    card = screen.card("Messages over time")
    card.get_by_role("button", name="Table").click()
    page.mouse.wheel(0, 600)
    page.wait_for_function("() => scrollY > 300")
    assert generation_of(screen) == "Generation 1"
    focused = screen.card("Top people").locator("button").first
    focused.focus()
    page.evaluate(
        """() => {
          globalThis.kept = [document.activeElement, scrollY, document.querySelector("table")];
        }"""
    )
    scrolled = page.evaluate("() => scrollY")
    shown = []
    page.expose_function("note", lambda seen: shown.append(seen))
    page.evaluate(
        """() => new MutationObserver(() => note([
          document.querySelector("#about-data h3").textContent,
          document.querySelector(".card .value").textContent,
        ])).observe(document.body, { subtree: true, childList: true, characterData: true })"""
    )
    number = site.publish(messages=3)
    until(lambda: generation_of(screen) == f"Generation {number}", page)
    after = screen.card("Messages").locator(".value").inner_text()
    assert int(after.replace(",", "")) == int(before.replace(",", "")) + 3
    assert {tuple(one) for one in shown} <= {
        (f"Generation {number - 1}", before), (f"Generation {number}", after)
    }  # fmt: skip
    assert page.evaluate("() => document.activeElement === kept[0]")
    assert page.evaluate("() => scrollY") == scrolled
    assert page.evaluate("() => document.querySelector('table') === kept[2]")
    assert page.locator("#about-data").is_visible()


def test_one_tab_holds_the_stream_for_all(site: Site, screen: Screen) -> None:
    """Two tabs have one stream, and both follow; when the tab that holds it is closed, the other
    one opens it."""
    bearer = admin_token()
    screen.open(site.url, bearer)
    until(lambda: streams(site.server) == 1, screen.page)
    second = Screen(screen.page.context.new_page())
    second.open(site.url, bearer)
    number = site.publish()
    for one in (screen, second):
        until(lambda: generation_of(one) == f"Generation {number}", one.page)  # noqa: B023
    asked = [one for one in screen.requests if one.url.endswith("/stream")]
    assert (len(asked), streams(site.server)) == (1, 1)
    screen.page.close()
    until(lambda: streams(site.server) == 1, second.page)
    number = site.publish()
    until(lambda: generation_of(second) == f"Generation {number}", second.page)
    assert len([one for one in screen.requests if one.url.endswith("/stream")]) == 2


def test_two_people_in_one_browser_have_two_streams(site: Site, screen: Screen) -> None:
    """A member's tab hears nothing of the administrator's stream."""
    screen.open(site.url, admin_token())
    second = Screen(screen.page.context.new_page())
    second.open(site.url, member_token())
    until(lambda: streams(site.server) == 2, second.page)


def hide(page: Page, *, is_hidden: bool) -> None:
    """Tell the page that its tab is hidden or seen."""
    page.evaluate(
        """(isHidden) => {
          Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


def test_a_hidden_tab_lets_go(site: Site, screen: Screen) -> None:
    """It has no stream and asks nothing; seen again, it shows the newest generation."""
    screen.open(site.url, admin_token())
    page = screen.page
    until(lambda: streams(site.server) == 1, page)
    hide(page, is_hidden=True)
    until(lambda: streams(site.server) == 0, page)
    asked = len(screen.requests)
    number = site.publish()
    page.wait_for_timeout(1500)
    assert len(screen.requests) == asked
    hide(page, is_hidden=False)
    until(lambda: generation_of(screen) == f"Generation {number}", page)


def test_offline_and_back(site: Site, screen: Screen) -> None:
    """Without a network nothing is tried; with it again the page shows what is new."""
    screen.open(site.url, admin_token())
    page = screen.page
    until(lambda: streams(site.server) == 1, page)
    page.context.set_offline(True)
    until(lambda: streams(site.server) == 0, page)
    number = site.publish()
    asked = len(screen.requests)
    page.wait_for_timeout(1500)
    assert len(screen.requests) == asked
    page.context.set_offline(False)
    until(lambda: generation_of(screen) == f"Generation {number}", page)


def test_a_server_that_starts_again_is_found(site: Site, screen: Screen) -> None:
    """While it is away the numbers stay; afterwards the page follows by itself."""
    screen.expect(*AWAY, "net::ERR_INCOMPLETE_CHUNKED_ENCODING", 503)
    screen.open(site.url, admin_token())
    page = screen.page
    until(lambda: streams(site.server) == 1, page)
    site.stop()
    number = site.publish()
    page.wait_for_timeout(1000)
    assert screen.card("Messages over time").is_visible()
    site.restart()
    until(lambda: generation_of(screen) == f"Generation {number}", page)


def test_without_streams_the_page_asks(site: Site, screen: Screen) -> None:
    """Where a proxy refuses the stream, or the limit is reached, the page asks which generation
    serves, and follows all the same."""
    page = screen.page
    refusals = iter([429, 502, 404])
    screen.expect(429, 502, 404)
    page.route(
        "**/stream",
        lambda route: route.fulfill(status=next(refusals, 404), body="<html>no</html>"),
    )
    screen.open(site.url, admin_token())
    number = site.publish()
    until(lambda: generation_of(screen) == f"Generation {number}", page)


def test_an_expired_token_asks_to_sign_in(site: Site, screen: Screen) -> None:
    """When the stream is refused with 401, the page says so at once."""
    screen.expect(401)
    problem = '{"status":401,"title":"Unauthorized","detail":"The token has expired (`exp`)."}'
    screen.page.route("**/stream", lambda route: route.fulfill(status=401, body=problem))
    screen.page.goto(f"{site.url}/#token={admin_token()}")
    screen.allow(site.url)
    screen.page.get_by_role("heading", name="Sign in").wait_for()
    assert "The token has expired" in screen.page.locator("main").inner_text()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[OwnValkey]:
    """A Valkey of this test."""
    own = OwnValkey(tmp_path)
    own.start()
    yield own
    own.end()


def test_right_now(
    new_site: Callable[..., Site],
    valkey: OwnValkey,
    screen: Screen,
    new_screen: Callable[..., Screen],
) -> None:
    """Administrators see each event of the last hour in its minute and beside what is usual, as it
    happens; members have no such card."""
    probe = new_site()
    site = new_site(REDIS_URL=valkey.url, EVENTS_DATABASE_URL=probe.pipeline.url)
    screen.open(site.url, admin_token(), OPERATIONS)
    card = screen.card("Right now")
    card.get_by_text("Nothing has happened in the last 60 minutes.").wait_for()
    events = [{"event_type": "message.sent"}] * 5 + [{"event_type": "user.online"}] * 2
    headers = {"Authorization": f"Bearer {token(Role.SERVICE, 'bot')}"}
    url = f"{site.url}{PREFIX}/events"
    assert httpx.post(url, json=events, headers=headers, timeout=300).status_code == 202
    card.get_by_text("As it happens.").wait_for()
    assert card.get_by_role("button", name="Save").count() == 0
    card.get_by_role("button", name="Table").click()
    rows = [row.inner_text().split("\t") for row in card.locator("tbody tr").all()]
    assert len(rows) == 2 * 60
    counted = [(row[0], int(row[2])) for row in rows if row[2] != "0"]
    assert sum(count for kind, count in counted if kind == "message.sent") == 5
    assert sum(count for kind, count in counted if kind == "user.online") == 2
    card.get_by_role("button", name="Table").click()
    screen.picture("right-now")
    other = new_screen("phone", "dark")
    other.open(site.url, admin_token(), OPERATIONS)
    other.card("Right now").get_by_text("As it happens.").wait_for()
    assert other.beyond_the_edge() == []
    other.picture("right-now-phone-dark")
    member = new_screen()
    member.open(site.url, member_token())
    assert member.card("Right now").count() == 0


def test_the_busiest_conversations_have_five_people(site: Site, screen: Screen) -> None:
    """A conversation in which five people wrote in the last hour is named, with their number and
    their messages, and one in which four wrote is not."""
    now = site.pipeline.clock.now
    with World(site.pipeline.url) as world:
        for number, (title, writers) in enumerate((("Five write", 5), ("Four write", 4)), 901):
            world.conversation(number, title=title, type="group", created_at=now)
            for message in range(3 * writers):
                world.message(
                    1000 * number + message,
                    conversation_id=uuid(number),
                    sender_id=1 + message % writers,
                    created_at=now - timedelta(minutes=2 + message),
                )
    site.publish()
    screen.open(site.url, admin_token(), OPERATIONS)
    card = screen.card("Right now")
    card.get_by_text("Five write").wait_for()  # the API serves it in a moment
    found = card.locator("button.rank-row").all_inner_texts()
    rows = [one.split("\n")[1:] for one in found]
    assert ["Five writegroup · 5 wrote", "15"] in rows
    assert "Four write" not in str(found)
