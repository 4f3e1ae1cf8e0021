"""How soon the page is there: in a real browser, on loopback, with warm caches.

The page itself marks when its first chart and when all of it is seen (`marks.js`); the browser says
how long scripts and layout took. One view is not counted: it fills the caches of the API and of the
browser. Each of the others is opened in a new tab. Then the period is changed, to one whose answers
the API has and the page has not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from api.auth import Role
from tests.api.servers import server
from tests.api.tokens import token
from tests.bench.lake_copy import lake_copy
from tests.bench.source import Say
from tests.page.fix_browser import ARGUMENTS, chromium_path

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_PATIENCE_MS = 300_000
_IS_COMPLETE = "() => performance.getEntriesByName('complete').length > 0"
_MARK = "(name) => performance.getEntriesByName(name)[0].startTime"
_IS_CHANGED = """(period) => {
  const main = document.querySelector("main");
  return main.ariaBusy === "false" && document.title.startsWith(period);
}"""
# Of these, Chromium counts the seconds.
_SCRIPT_AND_LAYOUT = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """One view, in milliseconds from the beginning of its navigation.

    Attributes:
        first_chart, complete: when they were seen.
        work: processor time of scripts and layout, until it was complete.
        change: from the choice of another period until its numbers were there.
        requests: of the browser, until it was complete; those that its cache answered too.
    """

    first_chart: float
    complete: float
    work: float
    change: float
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PageViews:
    """The views in order, of an administrator over 30 days."""

    browser: str
    views: tuple[PageView, ...]

    def middle(self, name: str) -> float:
        """The median of a figure."""
        return float(median(getattr(view, name) for view in self.views))


def measure_page(lake: Path, home: Path, say: Say, *, times: int) -> PageViews | None:
    """Open the page on a lake.

    Args:
        lake: a `DATA_DIR`; it is never changed.
        home: the directory for the log.
        times: how many views are counted.

    Returns:
        None where there is no Chromium.
    """
    path = chromium_path()
    if path is None:
        say("no Chromium: the page is not measured")
        return None
    home.mkdir(parents=True, exist_ok=True)
    data_dir = lake_copy(lake, home / "data")
    bearer = token(Role.ADMIN, "bench")
    with (
        server(data_dir, home / "page.log") as api,
        _browser(path) as (context, version),
    ):
        link = f"{api.url}/#token={bearer}"
        _view(context, link)
        views = []
        for number in range(1, times + 1):
            views.append(_view(context, link))
            say(
                f"page, {number} of {times}: first chart {views[-1].first_chart:,.0f} ms, "
                f"complete {views[-1].complete:,.0f} ms"
            )
    return PageViews(browser=version, views=tuple(views))


def _view(context: BrowserContext, link: str) -> PageView:
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    counters = context.new_cdp_session(page)
    counters.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(link)
    page.wait_for_function(_IS_COMPLETE)
    found = {
        one["name"]: one["value"] for one in counters.send("Performance.getMetrics")["metrics"]
    }
    asked = len(requests)
    view = PageView(
        first_chart=page.evaluate(_MARK, "first-chart"),
        complete=page.evaluate(_MARK, "complete"),
        work=1000 * sum(found[name] for name in _SCRIPT_AND_LAYOUT),
        change=_change(page),
        requests=asked,
    )
    page.close()
    return view


def _change(page: Page) -> float:
    """Milliseconds of a change to 7 days."""
    start = time.perf_counter()
    page.keyboard.press("7")
    page.wait_for_function(_IS_CHANGED, arg="7 days")
    return 1000 * (time.perf_counter() - start)


@contextmanager
def _browser(path: str) -> Iterator[tuple[BrowserContext, str]]:
    """An empty profile, and what the browser calls itself."""
    from playwright.sync_api import sync_playwright  # takes a second

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(_PATIENCE_MS)
        yield context, f"Chromium {browser.version}"
        browser.close()


def rows_of(found: PageViews) -> Sequence[tuple[str, ...]]:
    """The table of the report."""
    return [
        (f"the page, {len(found.views)} views, {found.browser}", "median", "worst"),
        *(
            (
                about,
                f"{found.middle(name):,.0f} ms",
                f"{max(getattr(view, name) for view in found.views):,.0f} ms",
            )
            for about, name in (
                ("first chart", "first_chart"),
                ("complete", "complete"),
                ("script and layout", "work"),
                ("another period", "change"),
            )
        ),
        ("requests", f"{found.middle('requests'):.0f}", f"{max(v.requests for v in found.views)}"),
    ]
