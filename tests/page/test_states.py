"""Every state of the page: loading, nothing to show, refused, old, away, and signed out."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.app import PREFIX
from api.auth import Role
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline
from tests.page import community
from tests.page.fix_browser import AWAY, Screen
from tests.page.fix_community import Site, admin_token, member_token

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Request, Route

pytestmark = [pytest.mark.page, pytest.mark.slow]

BATCHES = "**/batch?*"
GENERATION = "**/generation"
# The API refuses so, whatever is asked.


class Held:
    """Requests of a page that are held until they are let go.

    Args:
        wanted: which requests, by their URL.
    """

    def __init__(self, page: Page, pattern: str, wanted: Callable[[str], bool] | None = None):
        self._page = page
        self._pattern = pattern
        self._wanted = wanted
        self._routes: list[Route] = []
        page.route(pattern, self._hold)

    def _hold(self, route: Route) -> None:
        if self._wanted is None or self._wanted(route.request.url):
            self._routes.append(route)
        else:
            route.continue_()

    def wait(self) -> None:
        """Wait until a request is held."""
        while not self._routes:
            self._page.wait_for_timeout(20)

    def let_go(self) -> None:
        """Let all go, and hold no more."""
        for route in self._routes:
            route.continue_()
        self._routes.clear()
        self._page.unroute(self._pattern)


def refuse(page: Page, pattern: str, status: int, detail: str, **more: Any) -> None:
    """Answer requests as the API refuses them; `retry_after` goes into the header."""
    headers = {"Content-Type": "application/problem+json"}
    if (after := more.pop("retry_after", None)) is not None:
        headers["Retry-After"] = str(after)
    body = json.dumps({"status": status, "title": "", "detail": detail, **more})
    page.route(pattern, lambda route: route.fulfill(status=status, headers=headers, body=body))


def api_requests(screen: Screen, path: str = "") -> list[Request]:
    """What a screen has asked the API, but for the stream."""
    found = [one for one in screen.requests if f"/analytics{path}" in one.url]
    return [one for one in found if "/stream" not in one.url]


def notice(screen: Screen) -> Locator:
    """What the page says about itself."""
    return screen.page.locator(".notice")


def said(screen: Screen) -> str:
    """What the page last announced to a screen reader."""
    return screen.page.get_by_role("status").first.inner_text()


def choose(screen: Screen, period: str) -> None:
    """Choose a period by its name."""
    screen.page.get_by_label(period, exact=True).check(force=True)


def value(screen: Screen, title: str = "Messages") -> str:
    """The number of a tile."""
    return screen.card(title).locator(".value").inner_text()


# --- loading


def test_the_layout_is_there_before_the_numbers(community_server: Server, screen: Screen) -> None:
    """While nothing is answered, every card has its place and its title, in grey; then the head
    comes, and the rest after it."""
    generation = Held(screen.page, GENERATION)
    rest = Held(screen.page, BATCHES, lambda url: "top-senders" in url)
    screen.allow(community_server.url)
    screen.page.goto(f"{community_server.url}/#token={admin_token()}")
    generation.wait()
    grey = screen.page.locator(".card:has(.wait)")
    titles = grey.locator("h2").all_inner_texts()
    assert {"Messages", "Messages over time", "Top people"} <= set(titles)
    generation.let_go()
    screen.card("Messages over time").locator("svg").wait_for()
    assert value(screen) != ""
    assert screen.card("Top people").locator("> .wait").is_visible()
    rest.let_go()
    screen.settled()
    assert said(screen).startswith("All numbers are there, as of ")


def test_a_cold_view_needs_few_requests(community_server: Server, screen: Screen) -> None:
    """A view is a dozen requests at most, and no question is asked twice."""
    screen.open(community_server.url, admin_token())
    assert len(screen.requests) <= 12
    asks = re.findall(r"[?&]ask=([^&]+)", " ".join(one.url for one in api_requests(screen)))
    assert len(asks) == len(set(asks)) > 10


def test_a_change_of_the_view_keeps_what_is_shown(community_server: Server, screen: Screen) -> None:
    """Until the new numbers are there the old ones stand, dimmed; only what is new is asked, and
    going back asks nothing."""
    screen.open(community_server.url, admin_token())
    before, asked = value(screen), len(api_requests(screen))
    held = Held(screen.page, BATCHES)
    choose(screen, "7 days")
    held.wait()
    pieces = screen.page.locator(".pieces")
    screen.page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.pieces')).opacity < 0.9"
    )
    assert value(screen) == before
    assert screen.page.locator("main .wait:not([popover] *)").count() == 0
    held.let_go()
    screen.settled()
    assert "is-old" not in (pieces.get_attribute("class") or "")
    assert value(screen) != before
    assert said(screen) == "Shown: 7 days, compared with the period before."
    new = api_requests(screen)[asked:]
    assert [one for one in new if "/batch" not in one.url] == []
    asked = len(api_requests(screen))
    screen.page.go_back()
    screen.settled()
    assert (value(screen), len(api_requests(screen))) == (before, asked)


def test_one_question_that_fails_spoils_no_other(community_server: Server, screen: Screen) -> None:
    """Its card says why and offers to try again, which asks that question alone."""

    def fail(route: Route) -> None:
        asks = re.findall(r"[?&]ask=([^&]+)", route.request.url)
        answer = route.fetch()
        body = answer.json()
        for ask, one in zip(asks, body["answers"], strict=True):
            if "top-senders" in ask:
                one |= {"status": 500, "body": {"detail": "This is a defect of the server."}}
        route.fulfill(response=answer, json=body)

    screen.page.route(BATCHES, fail)
    screen.open(community_server.url, admin_token())
    card = screen.card("Top people")
    assert "This is a defect of the server." in card.inner_text()
    assert screen.card("Messages over time").locator("svg").is_visible()
    screen.page.unroute(BATCHES)
    asked = len(api_requests(screen))
    card.get_by_role("button", name="Try again").click()
    card.get_by_text("defect").wait_for(state="detached")
    (again,) = api_requests(screen)[asked:]
    assert re.findall(r"[?&]ask=%2F([\w-]+)", again.url) == ["top-senders"]


# --- nothing to show


def test_nobody_wrote_in_the_period(community_server: Server, screen: Screen) -> None:
    """Zeros, the words, and a link to the last day that has messages."""
    long_ago = community.NOW - timedelta(days=community.DAYS + 60)
    day = f"{long_ago:%Y-%m-%d}"
    screen.open(community_server.url, admin_token(), f"?start={day}&end={day}")
    assert value(screen) == "0"
    assert notice(screen).inner_text().startswith("Nobody wrote in this period.")
    link = screen.page.get_by_role("link", name="the last day with messages")
    link.click()
    screen.settled()
    assert value(screen) != "0"
    assert notice(screen).count() == 0
    assert re.search(r"\?start=(\d{4}-\d\d-\d\d)&end=\1$", screen.page.url)


def test_a_member_who_is_in_no_conversation(community_server: Server, screen: Screen) -> None:
    """Nobody wrote, on no day: there is no link."""
    screen.open(community_server.url, member_token(community.SILENT))
    assert notice(screen).inner_text() == (
        "Nobody wrote in this period, nor on any of the last 365 days."
    )


def test_nothing_is_published_yet(
    postgres_url: str, new_site: Callable[..., Site], screen: Screen, tmp_path: Any
) -> None:
    """The page says so, and what the operator must do; the first generation is shown by itself."""
    published = new_site().pipeline
    empty = Pipeline(published.url, published.beside("empty").settings, published.clock)
    with server(empty.layout.root, tmp_path / "log-empty", wait_for="/health/live") as running:
        screen.expect(503)
        screen.open(running.url, admin_token())
        text = screen.page.locator("main").inner_text()
        assert "No data yet" in text
        assert "messenger-analytics run" in text
        assert "make etl" in text
        empty.cycle()
        screen.card("Messages over time").locator("svg").wait_for()


# --- old, away, refused


@pytest.mark.parametrize(
    ("minutes", "tone", "words"), [(2, "fresh", "2 min"), (21, "stale", "21 min")]
)
def test_old_data_are_amber(
    community_server: Server, screen: Screen, minutes: int, tone: str, words: str
) -> None:
    """After a quarter of an hour; in words how old; nothing is asked for it."""
    given = {"Authorization": f"Bearer {admin_token()}"}
    answer = httpx.get(f"{community_server.url}{PREFIX}/generation", headers=given).json()
    read_at = datetime.fromisoformat(answer["data_through"])
    later = read_at + timedelta(minutes=minutes, seconds=20) - datetime.now(UTC)
    screen.page.add_init_script(
        f"{{ const now = Date.now; Date.now = () => now() + {later.total_seconds() * 1000}; }}"
    )
    screen.open(community_server.url, admin_token())
    pill = screen.page.locator(f".pill.{tone}")
    assert re.fullmatch(rf"As of \d\d:\d\d · {words} ago", pill.inner_text())
    pill.click()
    about = screen.page.locator("#about-data")
    about.get_by_role("heading", name="Generation").wait_for()
    assert ("The data are old" in about.inner_text()) is (tone == "stale")


def test_a_member_sees_no_data_that_are_too_old(
    new_site: Callable[..., Site], screen: Screen
) -> None:
    """The API tells a member nothing when it cannot know who has left; the page says why."""
    site = new_site(SCOPE_MAX_AGE_SECONDS="1")
    screen.expect(503)
    screen.open(site.url, member_token())
    words = "The data are too old to tell what members may see."
    assert words in notice(screen).inner_text()
    assert "Goes on in" in notice(screen).inner_text()


def test_numbers_of_a_member_stay_when_they_grow_too_old(
    community_server: Server, screen: Screen
) -> None:
    """What is seen stays, with how old it is."""
    screen.open(community_server.url, member_token())
    before = value(screen)
    refuse(
        screen.page, BATCHES, 503, "The data are too old to tell what members may see.",
        reason="too_old", retry_after=60,
    )  # fmt: skip
    screen.expect(503)
    choose(screen, "7 days")
    notice(screen).wait_for()
    assert value(screen) == before
    assert "too old" in notice(screen).inner_text()
    assert screen.page.locator(".pill").inner_text().startswith("As of ")


def test_the_server_goes_away_and_comes_back(site: Site, screen: Screen) -> None:
    """What is seen stays, a line says so, and the page goes on by itself."""
    screen.open(site.url, admin_token())
    before = value(screen)
    # 503: a server that has started opens its generation before it answers.
    screen.expect(*AWAY, 503)
    site.stop()
    choose(screen, "7 days")
    notice(screen).get_by_text("The server cannot be reached. What you see stays.").wait_for()
    assert value(screen) == before
    assert screen.page.locator(".pill").inner_text().startswith("Away")
    site.restart()
    notice(screen).wait_for(state="detached")
    screen.settled()
    assert value(screen) != before
    assert "days=7" in screen.page.url


def test_a_proxy_that_answers_itself_is_a_server_that_is_away(
    community_server: Server, screen: Screen
) -> None:
    """A page of HTML with 502 is no answer of the API, and no error of the page."""
    screen.open(community_server.url, admin_token())
    screen.page.route(BATCHES, lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    screen.expect(502)
    choose(screen, "7 days")
    notice(screen).get_by_text("The server cannot be reached.").wait_for()


def test_without_a_network_the_page_waits(community_server: Server, screen: Screen) -> None:
    """Offline is said at once and counts nothing down; online, the page goes on."""
    screen.open(community_server.url, admin_token())
    before = value(screen)
    screen.expect("net::ERR_INTERNET_DISCONNECTED")
    screen.page.context.set_offline(True)
    notice(screen).get_by_text("You are offline.").wait_for()
    choose(screen, "7 days")
    assert value(screen) == before
    assert "Goes on in" not in notice(screen).inner_text()
    screen.page.context.set_offline(False)
    notice(screen).wait_for(state="detached")
    screen.settled()
    assert value(screen) != before


def test_too_many_requests(new_site: Callable[..., Site], screen: Screen) -> None:
    """The API's limit is said, with the seconds that it asks to wait, and what is seen stays."""
    site = new_site(RATE_LIMIT_PER_MINUTE="8")
    screen.open(site.url, admin_token())
    screen.expect(429)
    for period in ("7 days", "90 days", "24 hours"):
        for bots in (False, True):
            screen.page.get_by_label("Bots").set_checked(bots)
            screen.page.wait_for_function(
                """() => document.querySelector("main").ariaBusy === "false" """
            )
        if notice(screen).count():
            break
        choose(screen, period)
    notice(screen).get_by_text("Too many questions at once. What you see stays.").wait_for()
    assert re.search(r"Goes on in \d+ s\.", notice(screen).inner_text())
    assert value(screen) != ""


def test_the_page_goes_on_after_the_wait(community_server: Server, screen: Screen) -> None:
    """The countdown is seen and not read out each second; at its end the page asks by itself."""
    screen.open(community_server.url, admin_token())
    before = value(screen)
    refuse(screen.page, BATCHES, 429, "Wait.", retry_after=3)
    screen.expect(429)
    screen.page.evaluate(
        """() => {
          globalThis.spoken = [];
          new MutationObserver((changes) => {
            for (const { target } of changes) {
              const element = target.nodeType === 1 ? target : target.parentElement;
              const live = element?.closest("[role=alert], [role=status], [aria-live]");
              if (live) globalThis.spoken.push(live.textContent);
            }
          }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    choose(screen, "7 days")
    notice(screen).get_by_text("Goes on in 3 s.").wait_for()
    notice(screen).get_by_text("Goes on in 2 s.").wait_for()
    screen.page.unroute(BATCHES)
    notice(screen).wait_for(state="detached")
    screen.settled()
    assert value(screen) != before
    spoken: list[str] = screen.page.evaluate("() => globalThis.spoken")
    assert spoken == ["Shown: 7 days, compared with the period before."]


def test_an_answer_beyond_the_limit_is_asked_again(
    community_server: Server, screen: Screen
) -> None:
    """One answer of a batch is 429: the others are shown, and it follows by itself."""

    def limit(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["answers"][-1] = {
            "status": 429, "retry_after": 2, "body": {"detail": "Too many computed answers."},
        }  # fmt: skip
        route.fulfill(response=answer, json=body)

    screen.page.route(BATCHES, limit)
    screen.open(community_server.url, admin_token())
    text = notice(screen).inner_text()
    assert text.startswith("Some numbers are not there yet. Too many computed answers.")
    assert screen.page.locator(".pill.away").count() == 0
    screen.page.unroute(BATCHES)
    notice(screen).wait_for(state="detached")
    assert screen.page.locator(".failed").count() == 0


def test_a_generation_that_is_gone_is_replaced(site: Site, screen: Screen) -> None:
    """A page that was left behind starts again with the newest generation, whatever it asks."""
    screen.page.route("**/stream", lambda route: route.abort())
    screen.expect(410, "net::ERR_FAILED")
    screen.open(site.url, admin_token(), "?days=7")
    held = Held(screen.page, GENERATION)  # the page does not learn of it before it asks
    newest = [site.publish(messages=2) for _ in range(3)][-1]
    while httpx.get(f"{site.url}/health/ready").json()["generation"] != newest:
        time.sleep(0.05)
    with screen.page.expect_response(lambda answer: answer.status == 410):
        choose(screen, "30 days")
    held.let_go()
    screen.settled()
    screen.page.locator(".pill").click()
    screen.page.get_by_role("heading", name="Generation 4").wait_for()
    assert notice(screen).count() == 0


# --- signing in and out


def test_an_expired_token_is_a_reason_to_sign_in(community_server: Server, screen: Screen) -> None:
    """The API's reason is shown; the URL keeps the view, which a new token then shows."""
    screen.expect(401)
    expired = token(Role.ADMIN, "boss", timedelta(seconds=-5))
    screen.open(community_server.url, expired, "?days=7&compare=year")
    assert screen.page.get_by_role("heading", name="Sign in").is_visible()
    assert "expired" in screen.page.get_by_role("alert").inner_text()
    assert screen.page.url == f"{community_server.url}/?days=7&compare=year"
    assert screen.page.evaluate("() => document.activeElement.name") == "token"
    bearer = admin_token()
    screen.keep_secret(bearer)
    screen.page.get_by_label("Token").fill(f"  {bearer}\n")
    screen.page.keyboard.press("Tab")
    screen.page.keyboard.press("Tab")
    screen.page.keyboard.press("Enter")
    screen.settled()
    assert screen.page.get_by_label("7 days", exact=True).is_checked()
    assert screen.page.evaluate("() => document.activeElement.id") == "main"


def test_a_token_that_ends_while_one_looks(community_server: Server, screen: Screen) -> None:
    """One is warned five minutes before; a new token in the address goes on with the same view,
    and without one the end is the sign-in."""
    short = token(Role.ADMIN, "boss", timedelta(minutes=4))
    screen.open(community_server.url, short, "?days=7")
    assert re.match(r"You are signed in until \d\d:\d\d\.", notice(screen).inner_text())
    before = value(screen)
    longer = admin_token()
    screen.keep_secret(longer)
    screen.page.evaluate("(token) => { location.hash = `#token=${token}`; }", longer)
    notice(screen).wait_for(state="detached")
    screen.settled()
    assert (screen.page.url, value(screen)) == (f"{community_server.url}/?days=7", before)


def test_at_its_end_a_token_is_refused(community_server: Server, screen: Screen) -> None:
    """At the end of the token the page asks the API, which decides."""
    screen.expect(401)
    screen.open(community_server.url, token(Role.ADMIN, "boss", timedelta(seconds=8)), "?days=7")
    screen.page.get_by_role("heading", name="Sign in").wait_for()
    assert "expired" in screen.page.get_by_role("alert").inner_text()
    assert screen.page.locator(".tile").count() == 0
    assert screen.page.url == f"{community_server.url}/?days=7"


def test_another_token_can_be_pasted_beside_the_numbers(
    community_server: Server, screen: Screen
) -> None:
    """From the warning, without leaving the page."""
    screen.open(community_server.url, token(Role.ADMIN, "boss", timedelta(minutes=4)))
    bearer = admin_token()
    screen.keep_secret(bearer)
    screen.page.get_by_role("button", name="Use another token").click()
    screen.page.get_by_label("Token").fill(bearer)
    screen.page.get_by_role("button", name="Show the numbers").click()
    notice(screen).wait_for(state="detached")
    assert value(screen) != ""


def test_a_token_of_a_service_sees_nothing(community_server: Server, screen: Screen) -> None:
    """The page says so, and asks nothing with it."""
    screen.open(community_server.url, token(Role.SERVICE, "app"), "?days=7")
    assert "sees no numbers" in screen.page.get_by_role("alert").inner_text()
    assert api_requests(screen) == []
    assert screen.page.url == f"{community_server.url}/?days=7"


@pytest.mark.parametrize("text", ["nonsense", "a.b.c", "eyJhbGciOiJIUzI1NiJ9.e30.x", "%E0%A4%A"])
def test_what_is_no_token(community_server: Server, screen: Screen, text: str) -> None:
    """In the address or pasted: it is said, taken out of the address, and not sent."""
    screen.open(community_server.url, text)
    assert "This is not a token." in screen.page.get_by_role("alert").inner_text()
    assert screen.page.url == f"{community_server.url}/"
    screen.page.get_by_label("Token").fill(text)
    screen.page.get_by_role("button", name="Show the numbers").click()
    assert "This is not a token." in screen.page.get_by_role("alert").inner_text()
    assert api_requests(screen) == []


def test_a_deleted_member_is_told(community_server: Server, screen: Screen) -> None:
    """403 is no state that passes: the page says why, counts nothing, and offers another token."""
    screen.expect(403)
    screen.open(community_server.url, member_token(community.DELETED[0]))
    assert screen.page.get_by_role("heading", name="You may not see these numbers").is_visible()
    assert "Goes on in" not in screen.page.locator("main").inner_text()
    screen.page.get_by_role("button", name="Sign in with another token").click()
    assert screen.page.get_by_role("heading", name="Sign in").is_visible()


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_token_is_kept_where_it_is_wanted(
    community_server: Server, screen: Screen, *, is_kept: bool
) -> None:
    """For the tab, or on the device if that is ticked; signing out forgets it, in all tabs."""
    bearer = admin_token()
    screen.keep_secret(bearer)
    screen.open(community_server.url)
    screen.page.get_by_label("Token").fill(bearer)
    screen.page.get_by_label("Keep me signed in on this device").set_checked(is_kept)
    screen.page.get_by_role("button", name="Show the numbers").click()
    screen.settled()
    screen.page.reload()
    screen.settled()
    other = screen.page.context.new_page()
    other.goto(screen.page.url)
    title = "Messages over time" if is_kept else "Sign in"
    other.get_by_role("heading", name=title).wait_for()
    screen.page.get_by_role("button", name="Sign out").click()
    assert screen.page.get_by_role("alert").inner_text() == "You are signed out."
    other.get_by_role("heading", name="Sign in").wait_for()
    stored = "() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }])"
    assert screen.page.evaluate(stored) == "[{},{}]"


def test_a_browser_that_keeps_nothing(community_server: Server, new_screen: Any) -> None:
    """In a frame of another site storage may be refused: the page works, for as long as it is
    open."""
    screen = new_screen()
    screen.page.add_init_script(
        """for (const name of ["sessionStorage", "localStorage"]) {
          Object.defineProperty(globalThis, name, {
            get() { throw new DOMException("refused", "SecurityError"); },
          });
        }"""
    )
    screen.open(community_server.url, admin_token())
    assert value(screen) != ""
    choose(screen, "7 days")
    screen.settled()
    assert "days=7" in screen.page.url
