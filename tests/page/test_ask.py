"""Questions as the page asks them: equal ones once, in batches that the API accepts."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode

import pytest
from playwright.sync_api import Browser

from api.edge import BATCH_QUERY_BYTES_MAX
from api.parameters import ASKS_MAX
from tests.page.modules import BrowserModules


@pytest.fixture(scope="module")
def modules(chromium: Browser) -> Iterator[BrowserModules]:
    """The module in Chromium, because it needs `URLSearchParams`."""
    page = chromium.new_page()
    yield BrowserModules(page, "ask.js")
    page.close()


@pytest.mark.parametrize(
    ("length", "number", "batches"),
    [(20, 0, 0), (20, 32, 1), (20, 33, 2), (20, 65, 3), (700, 32, 4), (7000, 3, 3)],
)
def test_batches_are_within_the_limits(
    modules: BrowserModules, length: int, number: int, batches: int
) -> None:
    """They have all keys in their order, and neither more asks nor more bytes than are allowed,
    as they are encoded: of `ü?` each byte takes three."""
    keys = [f"/messages?type={i:03}".ljust(length, "x") + "ü" for i in range(number)]
    found = modules.run("inBatches", keys)
    assert [key for batch in found for key in batch] == keys
    assert len(found) == batches
    for batch in found:
        query = urlencode([("generation", 2**53), *(("ask", key) for key in batch)])
        assert len(batch) <= ASKS_MAX and len(query) <= BATCH_QUERY_BYTES_MAX


def test_equal_asks_have_one_key(modules: BrowserModules) -> None:
    """Whatever the order of their parameters; what is empty is not asked for; ids are texts."""
    first = {"path": "/timeline", "parameters": {"tz": "Asia/Kathmandu", "days": "7", "end": ""}}
    second = {"path": "/timeline", "parameters": {"days": "7", "tz": "Asia/Kathmandu"}}
    key, other = modules.run("(asks) => asks.map(keyOf)", [first, second])
    assert key == other
    path, _, query = key.partition("?")
    assert (path, parse_qs(query)) == (
        "/timeline", {"days": ["7"], "tz": ["Asia/Kathmandu"], "ids": ["text"]},
    )  # fmt: skip
