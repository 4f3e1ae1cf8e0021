"""The page opens: for an administrator, for a member, and with a token to paste."""

from __future__ import annotations

import pytest

from tests.api.servers import Server
from tests.page.fix_browser import Screen
from tests.page.fix_community import admin_token, member_token

pytestmark = [pytest.mark.page, pytest.mark.slow]


def test_the_link_of_an_administrator_opens_the_page(
    community_server: Server, screen: Screen
) -> None:
    """The token in the fragment signs in, and is taken out of the address at once."""
    screen.open(community_server.url, admin_token(), "?days=7")
    assert screen.page.url == f"{community_server.url}/?days=7"
    assert "whole site" in screen.page.get_by_role("banner").inner_text()
    assert screen.card("Messages over time").is_visible()


def test_the_link_of_a_member_shows_their_conversations(
    community_server: Server, screen: Screen
) -> None:
    """A member has the same page over their own conversations."""
    screen.open(community_server.url, member_token())
    assert "my conversations" in screen.page.get_by_role("banner").inner_text()
    assert screen.card("Messages over time").is_visible()


def test_without_a_token_the_page_asks_for_one(community_server: Server, screen: Screen) -> None:
    """Nobody is signed in: there is a field, and no number; a pasted token shows the numbers."""
    screen.open(community_server.url)
    assert screen.page.get_by_role("heading", name="Sign in").is_visible()
    assert [one.url for one in screen.requests if "/api/" in one.url] == []
    bearer = admin_token()
    screen.keep_secret(bearer)
    screen.page.get_by_label("Token").fill(bearer)
    screen.page.get_by_role("button", name="Show the numbers").click()
    screen.settled()
    assert screen.card("Messages over time").is_visible()
