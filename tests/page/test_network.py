"""What goes over the network: few requests, no token, a proxy's path, a frame in another page."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from api.pages.minify import is_installed
from tests.api.servers import Server, server
from tests.fix_pipeline import Pipeline
from tests.page.fix_browser import ROOT, Screen
from tests.page.fix_community import Site, admin_token
from tests.page.test_files import BUDGET_BYTES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.page, pytest.mark.slow]

# Of a first visit: the page, its files, and all numbers of the overview.
REQUESTS_MAX = 12
# What the README gives a frame.
SANDBOX = "allow-scripts allow-same-origin allow-downloads"


class _Handler(BaseHTTPRequestHandler):
    """Answers with what the function of its server returns."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving(answer: Callable[[_Handler], None]) -> Iterator[int]:
    """An HTTP server on all names of this machine during the block; its port."""
    handler = type("Handler", (_Handler,), {"do_GET": answer})
    running = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield running.server_address[1]
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def stripping(target: str) -> Callable[[_Handler], None]:
    """A proxy that serves another server below /chat, and removes that from the path."""
    host = urlsplit(target).netloc

    def answer(handler: _Handler) -> None:
        path = handler.path.removeprefix("/chat")
        if path == handler.path:
            handler.send_error(404)
            return
        upstream = http.client.HTTPConnection(host)
        headers = {name: value for name, value in handler.headers.items() if name != "Connection"}
        upstream.request("GET", path if path.startswith("/") else f"/{path}", headers=headers)
        found = upstream.getresponse()
        handler.send_response(found.status)
        for name, value in found.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                handler.send_header(name, value)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            while part := found.read1(65_536):
                handler.wfile.write(part)
                handler.wfile.flush()
        except OSError:
            pass  # the browser has left a stream
        finally:
            upstream.close()
            handler.close_connection = True

    return answer


def test_a_first_visit_makes_few_requests(community_server: Server, screen: Screen) -> None:
    """All of a first visit is at most 12 requests, and what it loads is at most 40 KB: the second
    script and the second style sheet are not loaded before something of them is wanted."""
    screen.open(community_server.url, admin_token())
    screen.wait_for_request("/stream")
    urls = [one.url.partition("#")[0] for one in screen.requests]
    assert len(urls) <= REQUESTS_MAX, urls
    files = {url for url in urls if "/api/" not in url}
    assert {url.rpartition("/")[2] for url in files} == {
        "", "favicon.svg", "page.css", "page.js", "preact.js",
    }  # fmt: skip
    if is_installed():
        assert sum(map(bytes_of, files)) <= BUDGET_BYTES
    screen.card("Messages over time").get_by_role("button", name="is defined").click()
    screen.wait_for_request("/later.js")
    screen.wait_for_request("/later.css")


def bytes_of(url: str) -> int:
    """What a file takes on the way, as gzip."""
    with httpx.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        return len(b"".join(answer.iter_raw()))


def test_a_second_visit_loads_no_file_again(community_server: Server, screen: Screen) -> None:
    """Only the page itself is asked for; the browser has all it loads."""
    screen.open(community_server.url, admin_token())
    screen.wait_for_request("/stream")
    served = community_server.log.read_text().count("/page/")
    screen.page.goto("about:blank")
    screen.open(community_server.url, query="?days=7")
    assert served >= 3
    assert community_server.log.read_text().count("/page/") == served


def test_no_log_has_a_token(community_server: Server, screen: Screen) -> None:
    """The log of the server has no token, also after a view is changed; that no URL, title, header
    of a referring page or line of the console has one is checked for every screen."""
    bearer = admin_token()
    screen.open(community_server.url, bearer)
    screen.page.get_by_role("radio", name="7 days").check(force=True)
    screen.settled()
    assert "/batch" in community_server.log.read_text()
    assert bearer not in community_server.log.read_text()
    assert all("token" not in one.url for one in screen.requests)
    assert screen.page.evaluate("() => document.cookie") == ""


@pytest.fixture(scope="module")
def below_chat(
    community_site: Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The API below /chat, by the setting."""
    log = tmp_path_factory.mktemp("below_chat") / "log"
    with server(community_site.layout.root, log, ROOT_PATH="/chat") as running:
        yield running


@pytest.mark.parametrize("path", ["/chat", "/chat/"])
@pytest.mark.parametrize("is_stripped", [False, True], ids=["kept", "stripped"])
def test_the_page_works_below_the_path_of_a_proxy(
    below_chat: Server, screen: Screen, path: str, is_stripped: bool
) -> None:
    """With ROOT_PATH it is there with and without a slash, whether the proxy keeps the path or
    removes it; every request is below the path."""
    with serving(stripping(below_chat.url)) as port:
        origin = f"http://127.0.0.1:{port}" if is_stripped else below_chat.url
        screen.allow(origin)
        screen.page.goto(f"{origin}{path}#token={admin_token()}")
        screen.settled()
        assert screen.card("Messages over time").is_visible()
        paths = {urlsplit(one.url).path for one in screen.requests}
        assert {one for one in paths if not one.startswith("/chat/")} <= {"/chat"}
        screen.page.goto("about:blank")  # ends the stream, and with it the proxy's thread


def test_a_proxy_may_add_a_path_of_which_nothing_is_set(
    community_server: Server, screen: Screen
) -> None:
    """Without ROOT_PATH the page's URLs are relative."""
    with serving(stripping(community_server.url)) as port:
        screen.open(f"http://127.0.0.1:{port}/chat", admin_token())
        assert screen.card("Messages over time").is_visible()
        screen.page.goto("about:blank")


def embedding(url: str) -> Callable[[_Handler], None]:
    """A page that shows another one in a frame."""

    def answer(handler: _Handler) -> None:
        body = (
            f'<!doctype html><title>Chat</title><iframe src="{url}" width=900 height=600 '
            f'allow="clipboard-write" sandbox="{SANDBOX}"></iframe>'
        )
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return answer


def test_a_page_that_is_named_may_show_it_in_a_frame(
    new_site: Callable[..., Site], chromium: Browser
) -> None:
    """A page of an origin in FRAME_ANCESTORS shows the page in a frame, signed in by the fragment;
    a page of another origin is refused, and by default every page is."""
    assert f'sandbox="{SANDBOX}"' in (ROOT / "api" / "README.md").read_text()
    url = ""

    def answer(handler: _Handler) -> None:
        embedding(f"{url}/#token={admin_token()}")(handler)

    with serving(answer) as named, serving(answer) as other:
        origin = f"http://localhost:{named}"
        url = new_site(FRAME_ANCESTORS=origin).url
        shown = text_of_frame(chromium, origin)
        assert shown is not None and "Messages over time" in shown
        assert text_of_frame(chromium, f"http://localhost:{other}") is None


def text_of_frame(chromium: Browser, url: str) -> str | None:
    """What a frame of a page says once it has numbers; None if the browser refuses to show it."""
    with chromium.new_context() as context:
        page = context.new_page()
        refusals = []
        page.on("console", lambda message: refusals.append(message.text))
        page.goto(url)
        frame = page.frames[1]
        heading = frame.get_by_role("heading", name="Messages over time")
        while not heading.is_visible():
            if any("frame-ancestors" in text for text in refusals):
                return None
            page.wait_for_timeout(50)
        return frame.locator("main").inner_text()
