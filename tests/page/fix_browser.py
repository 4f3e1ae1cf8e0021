"""Fixtures of the browser: Chromium, and screens, each with an empty profile.

Every screen is watched: a test fails if the page asks another server, breaks its policy, logs an
error, gets a status that the test does not expect, or shows a token where others could read it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "page"
AXE = ROOT / "build" / "page-tools" / "node_modules" / "axe-core" / "axe.min.js"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--force-color-profile=srgb", "--hide-scrollbars",
    # Nothing but this machine exists.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)  # fmt: skip
# Reached only when the page never does what is waited for.
_PATIENCE_MS = 60_000
_REPORTS = """
addEventListener("securitypolicyviolation", (event) => console.error(
  `policy: ${event.effectiveDirective} refuses ${event.blockedURI || event.sample}`));
"""
# Chromium's word for an answer that is no success; the answers themselves are checked.
_FAILED_LOAD = "Failed to load resource"

SIZES = {"desktop": (1280, 900), "phone": (390, 844), "narrow": (320, 640), "wall": (1920, 1080)}


def chromium_path() -> str | None:
    """The installed Chromium: CHROMIUM, or what the PATH has."""
    given = os.environ.get("CHROMIUM")
    return given or next(filter(None, map(shutil.which, _NAMES)), None)


# What a browser says of a server that stops.
AWAY = ("net::ERR_CONNECTION_REFUSED", "net::ERR_CONNECTION_RESET", "net::ERR_EMPTY_RESPONSE")


@dataclass
class Screen:
    """The page in a browser with an empty profile.

    Attributes:
        page: Playwright's page.
        requests: all that it has asked for, in order.
    """

    page: Page
    requests: list[Request] = field(default_factory=list)
    _complaints: list[str] = field(default_factory=list)
    _failures: list[str] = field(default_factory=list)
    _expected: set[str] = field(default_factory=set)
    _origins: set[str] = field(default_factory=set)
    _secrets: set[str] = field(default_factory=set)

    def open(self, url: str, token: str | None = None, query: str = "") -> None:
        """Open the page of a server, signed in with a token, and wait until all is drawn.

        Args:
            url: of the server, without a slash at the end.
            query: of the page, with its `?`.
        """
        self.allow(url)
        fragment = "" if token is None else f"#token={token}"
        if token is not None:
            self._secrets.add(token)
        self.page.goto(f"{url}/{query}{fragment}")
        self.settled()

    def settled(self) -> None:
        """Wait until the page has drawn all answers, or asks for a token."""
        self.page.wait_for_function(
            """() => {
              const main = document.querySelector("main");
              return main?.getAttribute("aria-busy") === "false"
                && main.querySelector(".card") !== null
                && main.querySelector(".card .wait:not([popover] *)") === null;
            }"""
        )

    def wait_for_request(self, ending: str) -> Request:
        """Wait until the page has asked for a URL that ends so; returns the first such request."""

        def found() -> Request | None:
            return next((one for one in self.requests if one.url.endswith(ending)), None)

        while (request := found()) is None:
            self.page.wait_for_event("request")
        return request

    def card(self, title: str) -> Locator:
        """The card or tile with this title."""
        return self.page.locator("section.card").filter(
            has=self.page.get_by_role("heading", name=title, exact=True)
        )

    def allow(self, url: str) -> None:
        """Expect requests to the server of this URL."""
        self._origins.add(_origin(url))

    def expect(self, *failures: int | str) -> None:
        """Expect answers with these statuses, or failures of the network (`net::ERR_…`)."""
        self._expected.update(map(str, failures))

    def keep_secret(self, *texts: str) -> None:
        """Fail if these texts appear in a URL, a title or the console."""
        self._secrets.update(texts)

    def beyond_the_edge(self) -> list[str]:
        """What makes the page scroll sideways: the elements that end beyond its right edge."""
        found: list[str] = self.page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? []
              : [...document.body.querySelectorAll("*")]
                .filter((one) => one.getBoundingClientRect().right > innerWidth)
                .map(({ localName, className, textContent }) =>
                  `${localName}.${className}: ${textContent.slice(0, 40)}`)"""
        )
        return found

    def violations(self) -> list[str]:
        """What axe-core finds in what is shown: WCAG 2.2 AA, and its best practice.

        The test is skipped where axe-core is not installed.
        """
        if not AXE.exists():
            pytest.skip("no axe-core: `make test-page` installs it where npm is")
        # Not as an element of the page, whose policy refuses it.
        self.page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
        found: list[str] = self.page.evaluate(
            """async () => {
              const { violations } = await axe.run(document, { runOnly: [
                "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
              return violations.flatMap(({ id, help, nodes }) => nodes.map(
                (node) => `${id}: ${help}: ${node.target.join(" ")}: ${node.failureSummary}`));
            }"""
        )
        return found

    def picture(self, name: str, *, whole: bool = True) -> Path:
        """Take a picture into build/page, of the whole page or of what is seen."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        self.page.screenshot(path=path, full_page=whole, animations="disabled")
        return path

    def watch(self, context: BrowserContext) -> None:
        """Note what happens from now on."""
        context.on("request", self._note_request)
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self._complaints.append(f"thrown: {error.error}"))
        context.on("requestfailed", self._note_failure)
        context.on("response", lambda answer: self._note_status(answer.status, answer.url))

    def complaints(self) -> list[str]:
        """What a test must not see."""
        found = list(self._complaints)
        found += [one for one in self._failures if one.split()[0] not in self._expected]
        for request in self.requests:
            parts = urlsplit(request.url)
            if parts.scheme not in ("blob", "data") and _origin(request.url) not in self._origins:
                found.append(f"asked elsewhere: {request.url}")
            seen = (request.url.partition("#")[0], request.headers.get("referer", ""))
            found += [f"a token in {text}" for text in seen if self._has_secret(text)]
        for page in self.page.context.pages:
            found += [
                f"a token in {text}" for text in (page.url, page.title()) if self._has_secret(text)
            ]
        return found

    def _has_secret(self, text: str) -> bool:
        return any(secret in text for secret in self._secrets)

    def _note_request(self, request: Request) -> None:
        self.requests.append(request)

    def _note_console(self, message: ConsoleMessage) -> None:
        if self._has_secret(message.text):
            self._complaints.append("a token in the console")
        if message.type in ("error", "warning") and not message.text.startswith(_FAILED_LOAD):
            self._complaints.append(f"{message.type}: {message.text}")

    def _note_failure(self, request: Request) -> None:
        # What the page itself has given up, because it wants something else, is no failure.
        if request.failure != "net::ERR_ABORTED":
            self._failures.append(f"{request.failure} {request.url}")

    def _note_status(self, status: int, url: str) -> None:
        if status >= 400:
            self._failures.append(f"{status} {url}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium; without one the test is skipped.

    Of a module, because asyncio allows no other loop in the thread while Playwright has one.
    """
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium: `make test-page` installs Debian's, or set CHROMIUM")
    from playwright.sync_api import sync_playwright  # takes a second

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_screen(chromium: Browser) -> Iterator[Callable[..., Screen]]:
    """Makes screens, and checks at the end what each has seen."""
    screens = []
    with ExitStack() as stack:

        def make(
            size: Literal["desktop", "phone", "narrow", "wall"] | tuple[int, int] = "desktop",
            theme: Literal["light", "dark"] = "light",
            zone: str = "Europe/Berlin",
            language: str = "en-GB",
            **options: Any,
        ) -> Screen:
            width, height = SIZES[size] if isinstance(size, str) else size
            context = chromium.new_context(
                viewport={"width": width, "height": height},
                color_scheme=theme,
                timezone_id=zone,
                locale=language,
                reduced_motion="reduce",
                **options,
            )
            stack.callback(context.close)
            context.set_default_timeout(_PATIENCE_MS)
            context.add_init_script(_REPORTS)
            screen = Screen(context.new_page())
            screen.watch(context)
            screens.append(screen)
            return screen

        yield make
        assert [one for screen in screens for one in screen.complaints()] == []


@pytest.fixture
def screen(new_screen: Callable[..., Screen]) -> Screen:
    """A desktop in Berlin, in English, light."""
    return new_screen()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
